import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { HubName } from "../../src/models/names.js";
import { type Pulled, type PullOptions, pullModel } from "../../src/models/pull.js";
import { tinyConfig } from "./checkpoint.js";
import { FakeHub, noise, repo, type Trouble } from "./hub.js";

export const weights = noise(1_000_003);
export const partSize = 65536;
const config = Buffer.from(JSON.stringify(tinyConfig()));
/** Bytes of all files that a conversion needs. */
export const total = weights.length + 200_000 + config.length;

/** The hubs, each of which passes the same tests. */
export const kinds = ["hf", "modelscope"] as const;

/** A hub with a small checkpoint and an empty model folder, both anew for each test of the file or group that makes one. */
export class Pulling {
  folder = "";
  hub = new FakeHub({});

  constructor(readonly kind: HubName = "hf") {
    beforeEach(async () => {
      this.folder = mkdtempSync(path.join(tmpdir(), "owl3-pull-"));
      const files = {
        "config.json": config,
        "tokenizer.json": noise(200_000, 2),
        "model.safetensors": weights,
        "README.md": Buffer.from("not wanted"),
      };
      this.hub = await new FakeHub(files, kind).start();
    });
    afterEach(async () => {
      await this.hub.stop();
      rmSync(this.folder, { recursive: true });
    });
  }

  /** The model's name in messages and lists. */
  get name(): string {
    return this.kind === "hf" ? repo : `ms:${repo}`;
  }

  get modelFolder(): string {
    return path.join(this.folder, `${this.kind === "hf" ? "" : "ms@"}someone--tiny-owl`);
  }

  get checkpoint(): string {
    return path.join(this.modelFolder, "checkpoint");
  }

  pull(options: Partial<PullOptions> = {}): Promise<Pulled> {
    return pullModel(repo, {
      type: "q4_k_m",
      hub: this.kind,
      folder: this.folder,
      endpoint: this.hub.url,
      env: {},
      pause: 1,
      stall: 30_000,
      partSize,
      ...options,
    });
  }

  /** All files are here as the hub has them, and no others. */
  expectWhole(): void {
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
      expect(Buffer.compare(readFileSync(path.join(this.checkpoint, name)), this.hub.files[name] as Buffer)).toBe(0);
    expect(readdirSync(this.checkpoint).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  }
}

/** Trouble with the n-th requests for the weights only. */
export function atWeights(which: (n: number) => boolean, trouble: Trouble): Trouble {
  let n = 0;
  return (request, ...rest) => request.file === "model.safetensors" && which(n++) && trouble(request, ...rest);
}
