import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { type Pulled, type PullOptions, pullModel } from "../../src/models/pull.js";
import { tinyConfig } from "./checkpoint.js";
import { FakeHub, noise, repo, type Trouble } from "./hub.js";

export const weights = noise(1_000_003);
export const partSize = 65536;
const config = Buffer.from(JSON.stringify(tinyConfig()));
/** Bytes of all files that a conversion needs. */
export const total = weights.length + 200_000 + config.length;

/** A hub with a small checkpoint and an empty model folder, both anew for each test of the file that makes one. */
export class Pulling {
  folder = "";
  hub = new FakeHub({});

  constructor() {
    beforeEach(async () => {
      this.folder = mkdtempSync(path.join(tmpdir(), "owl3-pull-"));
      this.hub = await new FakeHub({
        "config.json": config,
        "tokenizer.json": noise(200_000, 2),
        "model.safetensors": weights,
        "README.md": Buffer.from("not wanted"),
      }).start();
    });
    afterEach(async () => {
      await this.hub.stop();
      rmSync(this.folder, { recursive: true });
    });
  }

  get checkpoint(): string {
    return path.join(this.folder, "someone--tiny-owl/checkpoint");
  }

  pull(options: Partial<PullOptions> = {}): Promise<Pulled> {
    return pullModel(repo, {
      type: "q4_k_m",
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
  return (request, ...rest) => request.path.endsWith("/model.safetensors") && which(n++) && trouble(request, ...rest);
}
