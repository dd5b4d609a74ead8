import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { memoryJson } from "../../src/cli/json.js";
import { native } from "../../src/native/native.js";
import { goldenCheckpoint } from "../support/checkpoint.js";
import { folder, foreign, owl3 } from "../support/cli.js";

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
      "hyper layers   0, 3 of 0..5, one softmax over text and pictures",
      "crops of 126 x 126 pixels become 81 tokens",
      "2003 tokens, 1744 merges",
      "temperature 0.7, top_p 0.8, top_k 20, repetition_penalty 1.05",
      "for 3 crops and 4096 positions",
    ])
      expect(run.out).toContain(part);
    expect(run.out).not.toContain("blk.0.attn_q.weight");
    expect(owl3("info", golden, "--tensors").out).toMatch(/blk\.0\.attn_q\.weight +Q4_K +256 x 256/);
  });

  test("--json", async () => {
    const info = JSON.parse(owl3("info", golden, "--json", "--tensors", "--crops", "10", "--ctx", "1000").out);
    expect(info.file_bytes).toBe(statSync(golden).size);
    const language = { num_layers: 6, hidden_size: 256, num_heads: 4, num_kv_heads: 2, head_dim: 64 };
    expect(info.model).toMatchObject({ hyper_layers: [0, 3], language, vision: { crop_size: 126, patch_size: 14 } });
    expect(info.model.sampling).toEqual({
      do_sample: true,
      temperature: 0.7,
      top_p: 0.8,
      top_k: 20,
      repetition_penalty: 1.05,
    });
    expect(info.model.tokenizer).toMatchObject({ tokens: 2003, unused: 45, ends_at: ["<|endoftext|>", "<|im_end|>"] });
    // Two hyper layers of two heads of 64 in f16, keys and values: 1024 bytes a visual token, 81 of them a crop.
    expect(info.memory).toMatchObject({ visual_kv: 10 * 81 * 1024, embeds: 10 * 81 * 256 * 4 });
    const model = await native().openModel(golden, {});
    const work = { contextLength: 1000, crops: 10, sequences: 1, kvType: "f16" as const, prefillChunk: 512 };
    expect(info.memory).toEqual({ crops: 10, context: 1000, ...memoryJson(model.plan(work)) });
    model.dispose();
    expect(info.tensors).toHaveLength(149);
    const bytes = info.types.reduce((sum: number, type: { bytes: number }) => sum + type.bytes, 0);
    expect(bytes).toBeGreaterThan(0.9 * info.memory.weights);
    expect(bytes).toBeLessThanOrEqual(info.memory.weights);
  });

  test("a file of another architecture is described, a broken one refused", () => {
    expect(owl3("info", foreign).out).toContain("not an mPLUG-Owl3 model");
    const cut = join(folder, "cut.gguf");
    writeFileSync(cut, readFileSync(golden).subarray(0, 100000));
    const run = owl3("info", cut);
    expect(run.code).toBe(4);
    expect(run.err).toMatch(
      /^owl3: .*cut\.gguf: tensor .* ends at byte \d+, but the file has 100000: it is truncated or corrupt\.\n$/,
    );
    expect(owl3("info", folder).code).toBe(3);
    expect(owl3("info").code).toBe(2);
  });
});
