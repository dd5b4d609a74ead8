import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { goldenCheckpoint, headerFor, tinyConfig, writeCheckpoint, writeZeros } from "../support/checkpoint.js";
import { binary, endOf, folder, owl3, place } from "../support/cli.js";

/** A new checkpoint folder of zeros. */
function checkpoint(overrides: Record<string, unknown> = {}): string {
  const path = join(place(), "checkpoint");
  writeCheckpoint(path, overrides);
  return path;
}

describe("owl3 convert", () => {
  test("writes the file, says so on stderr, and nothing on stdout", () => {
    const out = join(place(), "a.gguf");
    const run = owl3("convert", goldenCheckpoint, "-o", out, "--type", "q8_0", "--name", "Tiny", "--license", "mit");
    expect(run).toMatchObject({ code: 0, out: "" });
    expect(run.err).toMatch(/^.*a\.gguf: q8_0, 6\.2 MB in [\d.]+ s\n$/);
    expect(run.err).not.toContain("\u001b");
    const info = JSON.parse(owl3("info", out, "--json").out);
    expect(info).toMatchObject({ name: "Tiny", license: "mit", file_type: "q8_0" });
  });

  test("--quiet says nothing", () => {
    expect(owl3("convert", goldenCheckpoint, "-o", join(place(), "a.gguf"), "-t", "q4_0", "-q")).toEqual({
      code: 0,
      out: "",
      err: "",
    });
  });

  const dropping = (file: string) => (path: string) => rmSync(join(path, file));
  const writing = (file: string, text: string) => (path: string) => writeFileSync(join(path, file), text);
  const configured = (overrides: Record<string, unknown>) =>
    writing("config.json", JSON.stringify(tinyConfig(overrides)));
  const header = (change: (header: ReturnType<typeof headerFor>["header"]) => void) => (path: string) => {
    const { header, bytes } = headerFor(tinyConfig());
    change(header);
    writeZeros(join(path, "model.safetensors"), header, bytes);
  };
  const gate = "language_model.model.layers.1.self_attn.gate";
  const mlpGate = "language_model.model.layers.1.mlp.gate_proj.weight";
  test.each<[string, (path: string) => void, number, RegExp]>([
    ["no config.json", dropping("config.json"), 3, /config\.json is missing from the checkpoint/],
    ["no tokenizer.json", dropping("tokenizer.json"), 3, /tokenizer\.json is missing from the checkpoint/],
    [
      "no weights",
      dropping("model.safetensors"),
      3,
      /model\.safetensors \(or model\.safetensors\.index\.json\) is missing/,
    ],
    ["config.json that is no JSON", writing("config.json", "{"), 4, /config\.json is not valid JSON/],
    ["config.json that is a list", writing("config.json", "[]"), 4, /config\.json is not a JSON object/],
    ["another model", configured({ model_type: "qwen2_vl" }), 4, /model_type must be "mplugowl3", found "qwen2_vl"/],
    [
      "a gate, but the projector of 241101",
      header((h) => Object.assign(h, { [gate]: { dtype: "BF16", shape: [0], data_offsets: [0, 0] } })),
      4,
      /checkpoint is of no release that is known: .* vision2text_model\.0\.weight, .*self_attn\.gate\.\n$/,
    ],
    [
      "a gate of another shape",
      (path) => {
        const { header, bytes } = headerFor(tinyConfig(), "gated_channel");
        Object.assign(header[gate] ?? {}, { shape: [1, 64] });
        writeZeros(join(path, "model.safetensors"), header, bytes);
      },
      4,
      /self_attn\.gate in .* has shape \[1, 64\], expected \[64\]/,
    ],
    [
      "a LoRA adapter",
      (path) => {
        renameSync(join(path, "model.safetensors"), join(path, "adapter_model.safetensors"));
        writeFileSync(join(path, "adapter_config.json"), "{}");
      },
      4,
      /checkpoint is a LoRA adapter, not a whole model: merge it into its base model first/,
    ],
    [
      "a size of the wrong type",
      configured({ hidden_size: "64" }),
      4,
      /hidden_size must be an integer from .*, found "64"/,
    ],
    [
      "a hyper layer past the last",
      configured({ hyper_layers: [3] }),
      4,
      /hyper_layers must be .* from 1 to 2, found \[3\]/,
    ],
    ["a scaled rope", configured({ rope_scaling: { type: "yarn" } }), 4, /rope_scaling/],
    [
      "another vocab_size",
      configured({ vocab_size: 2004 }),
      4,
      /embed_tokens\.weight in .* has shape \[2048, 64\], expected \[2004, 64\]/,
    ],
    [
      "a tensor missing",
      header((h) => delete h[mlpGate]),
      4,
      /tensor language_model\.model\.layers\.1\.mlp\.gate_proj\.weight is missing/,
    ],
    [
      "a tensor of another shape",
      header((h) => Object.assign(h[mlpGate] ?? {}, { shape: [64, 96] })),
      4,
      /gate_proj\.weight in .*model\.safetensors has shape \[64, 96\], expected \[96, 64\]/,
    ],
    [
      "a tensor of another type",
      header((h) => Object.assign(h[mlpGate] ?? {}, { dtype: "I16" })),
      4,
      /has dtype I16, expected F32, F16 or BF16/,
    ],
    [
      "truncated weights",
      (path) => writeZeros(join(path, "model.safetensors"), headerFor(tinyConfig()).header, 100),
      4,
      /truncated or corrupt/,
    ],
    ["foreign weights", writing("model.safetensors", "PK\u0003\u0004 zip archive"), 4, /not a safetensors file/],
    [
      "a foreign tokenizer",
      writing("tokenizer.json", '{"model":{"type":"Unigram"}}'),
      4,
      /tokenizer\.json: is not a byte-level BPE/,
    ],
  ])("%s: one sentence, nothing written", (_, change, code, message) => {
    const path = checkpoint();
    change(path);
    const to = place();
    const run = owl3("convert", path, "-o", join(to, "a.gguf"), "-t", "q8_0");
    expect(run.err).toMatch(message);
    expect(run.err.trim().split("\n")).toHaveLength(1);
    expect(run).toMatchObject({ code, out: "" });
    expect(readdirSync(to)).toEqual([]);
  });

  test("NaN in the weights is refused with the tensor's name", () => {
    const path = checkpoint();
    const file = join(path, "model.safetensors");
    const bytes = readFileSync(file);
    const at = 8 + Number(bytes.readBigUInt64LE()) + (headerFor(tinyConfig()).header[mlpGate]?.data_offsets[0] ?? 0);
    bytes.writeUInt16LE(0x7fc0, at + 20);
    writeFileSync(file, bytes);
    const to = place();
    const run = owl3("convert", path, "-o", join(to, "a.gguf"), "-t", "f16");
    expect(run.err).toContain(`tensor ${mlpGate} holds the value nan`);
    expect(run.code).toBe(4);
    expect(readdirSync(to)).toEqual([]);
  });

  test("usage errors", () => {
    expect(owl3("convert", goldenCheckpoint, "-o", "a.gguf", "-t", "q3_k").code).toBe(2);
    expect(owl3("convert", goldenCheckpoint, "-o", "a.gguf").code).toBe(2);
    expect(owl3("convert", goldenCheckpoint, "-t", "f16").code).toBe(2);
    const notAFolder = owl3("convert", join(goldenCheckpoint, "config.json"), "-o", "a.gguf", "-t", "f16");
    expect(notAFolder).toMatchObject({ code: 3 });
    expect(notAFolder.err).toContain("is a file");
    expect(owl3("convert", join(folder, "none"), "-o", "a.gguf", "-t", "f16")).toMatchObject({ code: 3 });
  });

  test("an output that can't be", () => {
    const to = place();
    const run = (out: string) => owl3("convert", goldenCheckpoint, "-o", out, "-t", "f16");
    expect(run(join(to, "none", "a.gguf"))).toMatchObject({ code: 3 });
    expect(run(to)).toMatchObject({ code: 3 });
    expect(run("/dev/full")).toMatchObject({ code: 3 });
    expect(readdirSync(to)).toEqual([]);
  });

  test("through a symbolic link the target is written", () => {
    const to = place();
    writeFileSync(join(to, "real.gguf"), "old");
    symlinkSync("real.gguf", join(to, "link.gguf"));
    expect(owl3("convert", goldenCheckpoint, "-o", join(to, "link.gguf"), "-t", "q4_0").code).toBe(0);
    expect(statSync(join(to, "real.gguf")).size).toBeGreaterThan(1e6);
    expect(readdirSync(to).sort()).toEqual(["link.gguf", "real.gguf"]);
  });

  test("a disk that is full, or a file size limit: exit code 3, the old file stays, no temporary file", () => {
    const to = place();
    writeFileSync(join(to, "a.gguf"), "old");
    const command = `ulimit -f 1000; exec "$0" "$1" convert "$2" -o "$3" -t f16`;
    const run = spawnSync("bash", ["-c", command, process.execPath, binary, goldenCheckpoint, join(to, "a.gguf")], {
      encoding: "utf8",
    });
    expect(run.stderr).toMatch(/a\.gguf: .*: File too large/);
    expect(run.status).toBe(3);
    expect(readdirSync(to)).toEqual(["a.gguf"]);
    expect(readFileSync(join(to, "a.gguf"), "utf8")).toBe("old");
  });
});

describe("owl3 convert, interrupted", () => {
  let large: string;
  // An embedding of 300 million values: long enough to be interrupted, and no room on the disk.
  beforeAll(() => {
    large = checkpoint({ vocab_size: 300_000, hidden_size: 1024, num_attention_heads: 16 });
  });

  async function begun(out: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, [binary, "convert", large, "-o", out, "-t", "q6_k"], { stdio: "ignore" });
    while (child.exitCode === null && !existsSync(`${out}.partial`))
      await new Promise((resolve) => setTimeout(resolve, 5));
    return child;
  }

  test.each(["SIGINT", "SIGTERM"] as const)("%s leaves no file and the old one", async (signal) => {
    const to = place();
    const out = join(to, "a.gguf");
    writeFileSync(out, "old");
    const child = await begun(out);
    const end = endOf(child);
    child.kill(signal);
    expect(await end).toBe(signal);
    expect(readdirSync(to)).toEqual(["a.gguf"]);
    expect(readFileSync(out, "utf8")).toBe("old");
  });

  test("kill -9 leaves a file named .partial, which the next run replaces", async () => {
    const to = place();
    const out = join(to, "a.gguf");
    const child = await begun(out);
    const end = endOf(child);
    child.kill("SIGKILL");
    expect(await end).toBe("SIGKILL");
    expect(readdirSync(to)).toEqual(["a.gguf.partial"]);
    expect(owl3("convert", goldenCheckpoint, "-o", out, "-t", "q4_0").code).toBe(0);
    expect(readdirSync(to)).toEqual(["a.gguf"]);
  });

  test("two runs do not write one file", async () => {
    const out = join(place(), "a.gguf");
    const child = await begun(out);
    const end = endOf(child);
    const second = owl3("convert", goldenCheckpoint, "-o", out, "-t", "q4_0");
    expect(second.err).toContain("another process is writing it");
    expect(second.code).toBe(3);
    child.kill("SIGINT");
    expect(await end).toBe("SIGINT");
  });
});
