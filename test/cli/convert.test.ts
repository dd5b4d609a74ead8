import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenCheckpoint, headerFor, tinyConfig, writeCheckpoint, writeZeros } from "../checkpoint.js";

const binary = fileURLToPath(new URL("../../bin/owl3.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "owl3-cli-convert-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function owl3(...args: string[]) {
  const run = spawnSync(process.execPath, [binary, ...args], { encoding: "utf8" });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

let count = 0;
/** A new checkpoint folder of zeros. */
function checkpoint(overrides: Record<string, unknown> = {}): string {
  const path = join(folder, `checkpoint-${count++}`);
  writeCheckpoint(path, overrides);
  return path;
}

/** A new empty folder for outputs. */
function place(): string {
  const path = join(folder, `out-${count++}`);
  mkdirSync(path);
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

  test("several safetensors files with an index", () => {
    const path = checkpoint();
    rmSync(join(path, "model.safetensors"));
    const { header } = headerFor(tinyConfig());
    const map: Record<string, string> = {};
    for (const [n, half] of [Object.entries(header).slice(0, 20), Object.entries(header).slice(20)].entries()) {
      const file = `model-0000${n + 1}-of-00002.safetensors`;
      let bytes = 0;
      const placed = half.map(([name, tensor]) => {
        const size = tensor.data_offsets[1] - tensor.data_offsets[0];
        bytes += size;
        map[name] = file;
        return [name, { ...tensor, data_offsets: [bytes - size, bytes] }];
      });
      writeZeros(join(path, file), Object.fromEntries(placed), bytes);
    }
    const index = join(path, "model.safetensors.index.json");
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
    const out = join(place(), "a.gguf");
    expect(owl3("convert", path, "-o", out, "-t", "bf16").code).toBe(0);
    expect(JSON.parse(owl3("info", out, "--json").out).model.language.layers).toBe(2);

    rmSync(join(path, "model-00002-of-00002.safetensors"));
    const missing = owl3("convert", path, "-o", out, "-t", "bf16");
    expect(missing.code).toBe(3);
    expect(missing.err).toMatch(
      /model-00002-of-00002\.safetensors is missing; model\.safetensors\.index\.json names it\./,
    );
    writeFileSync(index, JSON.stringify({ weight_map: { x: "../../etc/passwd" } }));
    expect(owl3("convert", path, "-o", out, "-t", "bf16")).toMatchObject({ code: 4 });
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
  const gate = "language_model.model.layers.1.mlp.gate_proj.weight";
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
      "a size of the wrong type",
      configured({ hidden_size: "64" }),
      4,
      /hidden_size must be a whole number in .*, found "64"/,
    ],
    [
      "a hyper layer past the last",
      configured({ hyper_layers: [3] }),
      4,
      /hyper_layers must be .* in 1\.\.2, found \[3\]/,
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
      header((h) => delete h[gate]),
      4,
      /tensor language_model\.model\.layers\.1\.mlp\.gate_proj\.weight is missing/,
    ],
    [
      "a tensor of another shape",
      header((h) => Object.assign(h[gate] ?? {}, { shape: [64, 96] })),
      4,
      /gate_proj\.weight in .*model\.safetensors has shape \[64, 96\], expected \[96, 64\]/,
    ],
    [
      "a tensor of another type",
      header((h) => Object.assign(h[gate] ?? {}, { dtype: "I16" })),
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
    const at = 8 + Number(bytes.readBigUInt64LE()) + (headerFor(tinyConfig()).header[gate]?.data_offsets[0] ?? 0);
    bytes.writeUInt16LE(0x7fc0, at + 20);
    writeFileSync(file, bytes);
    const to = place();
    const run = owl3("convert", path, "-o", join(to, "a.gguf"), "-t", "f16");
    expect(run.err).toContain(`tensor ${gate} holds the value nan`);
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
  const ended = (child: ChildProcess) =>
    new Promise<{ code: number | null; signal: string | null }>((resolve) =>
      child.on("exit", (code, signal) => resolve({ code, signal })),
    );

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s leaves no file and the old one", async (signal, code) => {
    const to = place();
    const out = join(to, "a.gguf");
    writeFileSync(out, "old");
    const child = await begun(out);
    const end = ended(child);
    child.kill(signal);
    expect(await end).toEqual({ code, signal: null });
    expect(readdirSync(to)).toEqual(["a.gguf"]);
    expect(readFileSync(out, "utf8")).toBe("old");
  });

  test("kill -9 leaves a file named .partial, which the next run replaces", async () => {
    const to = place();
    const out = join(to, "a.gguf");
    const child = await begun(out);
    const end = ended(child);
    child.kill("SIGKILL");
    expect(await end).toEqual({ code: null, signal: "SIGKILL" });
    expect(readdirSync(to)).toEqual(["a.gguf.partial"]);
    expect(owl3("convert", goldenCheckpoint, "-o", out, "-t", "q4_0").code).toBe(0);
    expect(readdirSync(to)).toEqual(["a.gguf"]);
  });

  test("two runs do not write one file", async () => {
    const out = join(place(), "a.gguf");
    const child = await begun(out);
    const end = ended(child);
    const second = owl3("convert", goldenCheckpoint, "-o", out, "-t", "q4_0");
    expect(second.err).toContain("another process is writing it");
    expect(second.code).toBe(3);
    child.kill("SIGINT");
    expect((await end).code).toBe(130);
  });
});

describe("owl3 quantize", () => {
  const golden = join(folder, "golden-f32.gguf");
  beforeAll(() => {
    expect(owl3("convert", goldenCheckpoint, "-o", golden, "-t", "f32").code).toBe(0);
  });

  test("writes the new type; a second time it says that something is lost", () => {
    const to = place();
    const q8 = join(to, "q8.gguf");
    const first = owl3("quantize", golden, q8, "--type", "q8_0");
    expect(first).toMatchObject({ code: 0, out: "" });
    expect(first.err).not.toContain("warning");
    expect(JSON.parse(owl3("info", q8, "--json").out).file_type).toBe("q8_0");
    const again = owl3("quantize", q8, join(to, "q4.gguf"), "--type", "q4_k_m");
    expect(again.code).toBe(0);
    expect(again.err).toMatch(/warning: \d+ tensors of .* are quantized already/);
    expect(owl3("quantize", q8, join(to, "q4.gguf"), "--type", "q4_k_m", "-q")).toEqual({ code: 0, out: "", err: "" });
  });

  test("never onto its input, whatever its name", () => {
    const to = place();
    const a = join(to, "a.gguf");
    cpSync(golden, a);
    symlinkSync("a.gguf", join(to, "b.gguf"));
    for (const out of [a, join(to, "b.gguf")]) {
      const run = owl3("quantize", a, out, "--type", "q8_0");
      expect(run.err).toContain("is the input itself");
      expect(run.code).toBe(3);
    }
    expect(readFileSync(a).equals(readFileSync(golden))).toBe(true);
  });

  test("refuses what is no model of ours", () => {
    const out = join(place(), "a.gguf");
    const foreign = fileURLToPath(new URL("../fixtures/gguf/python.gguf", import.meta.url));
    expect(owl3("quantize", foreign, out, "-t", "q8_0").err).toContain("another architecture");
    expect(owl3("quantize", foreign, out, "-t", "q8_0").code).toBe(4);
    expect(owl3("quantize", binary, out, "-t", "q8_0").code).toBe(4);
    expect(owl3("quantize", join(folder, "none.gguf"), out, "-t", "q8_0").code).toBe(3);
  });
});

describe("owl3 info", () => {
  const golden = join(folder, "golden-q4.gguf");
  beforeAll(() => {
    expect(owl3("convert", goldenCheckpoint, "-o", golden, "-t", "q4_k_m", "-q").code).toBe(0);
  });

  test("text", () => {
    const run = owl3("info", golden, "--crops", "3");
    expect(run).toMatchObject({ code: 0, err: "" });
    for (const part of [
      "mplugowl3 (GGUF version 3)",
      "q4_k_m",
      "hyper layers   0, 3 of 0..5",
      "crops of 126 x 126 pixels become 81 tokens",
      "2003 tokens, 1744 merges",
      "temperature 0.7, top_p 0.8, top_k 20, repetition_penalty 1.05",
      "for 3 crops and 4096 positions",
    ])
      expect(run.out).toContain(part);
    expect(run.out).not.toContain("blk.0.attn_q.weight");
    expect(owl3("info", golden, "--tensors").out).toMatch(/blk\.0\.attn_q\.weight +Q4_K +256 x 256/);
  });

  test("--json", () => {
    const info = JSON.parse(owl3("info", golden, "--json", "--tensors", "--crops", "10", "--ctx", "1000").out);
    expect(info.file_bytes).toBe(statSync(golden).size);
    expect(info.model.hyper_layers).toEqual([0, 3]);
    expect(info.model.sampling).toEqual({
      do_sample: true,
      temperature: 0.7,
      top_p: 0.8,
      top_k: 20,
      repetition_penalty: 1.05,
    });
    expect(info.model.tokenizer).toMatchObject({ tokens: 2003, unused: 45, ends_at: ["<|endoftext|>", "<|im_end|>"] });
    // Two hyper layers of two heads of 64 in f16, keys and values: 1024 bytes a visual token, 81 of them a crop.
    expect(info.memory).toMatchObject({
      visual_kv: 10 * 81 * 1024,
      kv_cache: 1000 * 6 * 512,
      embeds: 10 * 81 * 256 * 4,
    });
    expect(info.tensors).toHaveLength(149);
    expect(info.types.reduce((sum: number, type: { bytes: number }) => sum + type.bytes, 0)).toBe(info.memory.weights);
  });

  test("a file of another architecture is described, a broken one refused", () => {
    const foreign = fileURLToPath(new URL("../fixtures/gguf/python.gguf", import.meta.url));
    expect(owl3("info", foreign).out).toContain("not an mPLUG-Owl3 model");
    const cut = join(folder, "cut.gguf");
    writeFileSync(cut, readFileSync(golden).subarray(0, 100000));
    const run = owl3("info", cut);
    expect(run.code).toBe(4);
    expect(run.err).toMatch(
      /^owl3: .*cut\.gguf: tensor .* ends at byte \d+, but the file has 100000: it is truncated or corrupt\n$/,
    );
    expect(owl3("info", folder).code).toBe(3);
    expect(owl3("info").code).toBe(2);
  });
});
