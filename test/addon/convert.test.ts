import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertCheckpoint } from "../../src/convert/convert.js";
import { quantizeFile } from "../../src/convert/quantize.js";
import { tensorType } from "../../src/convert/types.js";
import { fileTypeNames, fileTypes } from "../../src/gguf/file-types.js";
import type { GgufTensorInfo } from "../../src/native/gguf.js";
import { native } from "../../src/native/native.js";
import { goldenCheckpoint } from "../support/checkpoint.js";
import { temporaryFolder } from "../support/files.js";
import { converter } from "../support/model.js";

const convertedTo = converter("golden/model");
const folder = temporaryFolder();
const types = fileTypeNames;

/** Values of an F32 tensor of a file. */
function floats(file: Buffer, tensor: GgufTensorInfo): Float32Array {
  return new Float32Array(
    file.buffer.slice(file.byteOffset + tensor.offset, file.byteOffset + tensor.offset + tensor.bytes),
  );
}

async function open(path: string) {
  const info = await native().readGguf(path);
  return { info, bytes: readFileSync(path), tensors: new Map(info.tensors.map((tensor) => [tensor.name, tensor])) };
}

describe("convert", () => {
  test("f32: every value is the checkpoint's, and the metadata says what config.json says", async () => {
    const file = await open(await convertedTo("f32"));
    const source = await native().readSafetensors(join(goldenCheckpoint, "model.safetensors"));
    const raw = readFileSync(join(goldenCheckpoint, "model.safetensors"));
    const find = (name: string) => {
      const tensor = source.find((t) => t.name === name);
      if (!tensor) throw new Error(name);
      const bits = new Uint16Array(
        raw.buffer.slice(raw.byteOffset + tensor.offset, raw.byteOffset + tensor.offset + tensor.bytes),
      );
      return new Float32Array(Uint32Array.from(bits, (b) => b * 65536).buffer);
    };
    for (const [name, from] of [
      ["token_embd.weight", "language_model.model.embed_tokens.weight"],
      ["blk.3.attn_visual_kv.weight", "language_model.model.layers.3.self_attn.v_kv_proj.weight"],
      ["blk.5.ffn_down.weight", "language_model.model.layers.5.mlp.down_proj.weight"],
      ["v.patch_embd.weight", "vision_model.embeddings.patch_embedding.weight"],
      ["v.position_embd.weight", "vision_model.embeddings.position_embedding.weight"],
      ["v.blk.3.ffn_up.bias", "vision_model.encoder.layers.3.mlp.fc1.bias"],
      ["mm.2.weight", "vision2text_model.2.weight"],
      ["output_norm.weight", "language_model.model.norm.weight"],
    ] as const) {
      const tensor = file.tensors.get(name);
      if (!tensor) throw new Error(name);
      expect(tensor.type).toBe("F32");
      expect(Buffer.from(floats(file.bytes, tensor).buffer).equals(Buffer.from(find(from).buffer)), name).toBe(true);
    }
    expect(file.tensors.get("v.patch_embd.weight")?.shape).toEqual([588, 144]);
    expect(file.tensors.has("output.weight")).toBe(false);
    expect(file.tensors.has("v.blk.4.ln1.weight")).toBe(false);
    expect(file.info.metadata).toMatchObject({
      "general.architecture": "mplugowl3",
      "general.file_type": 0,
      "mplugowl3.block_count": 6,
      "mplugowl3.context_length": 32768,
      "mplugowl3.hyper_attention.blocks": [0, 3],
      "mplugowl3.vision.image_size": 126,
      "mplugowl3.vision.block_count": 4,
      "mplugowl3.vision.feed_forward_length": 304,
      "mplugowl3.generation.top_k": 20,
      "mplugowl3.generation.do_sample": true,
      "mplugowl3.generation.eos_token_ids": [2000, 2002],
      "tokenizer.ggml.eos_token_id": 2002,
      "tokenizer.ggml.padding_token_id": 2000,
    });
    const tokens = file.info.metadata["tokenizer.ggml.tokens"] as string[];
    const kinds = file.info.metadata["tokenizer.ggml.token_type"] as number[];
    expect(tokens.length).toBe(2048);
    expect([tokens[0], tokens[2002], tokens[2003], tokens[2047]]).toEqual([
      "!",
      "<|im_end|>",
      "[PAD2003]",
      "[PAD2047]",
    ]);
    expect([kinds[0], kinds[2002], kinds[2003]]).toEqual([1, 3, 5]);
    expect((file.info.metadata["tokenizer.ggml.merges"] as string[])[0]).toBe("Ġ Ġ");
  });

  // The largest error of a type relative to the root mean square, on weights that are near normal: a little above what test/native
  // measures (Q4_0 0.081, Q5_K 0.034, Q6_K 0.017, Q8_0 0.005), F16 and BF16 by their mantissas.
  const bounds: Record<string, number> = {
    F32: 0,
    F16: 0.0005,
    BF16: 0,
    Q8_0: 0.008,
    Q6_K: 0.025,
    Q5_K: 0.05,
    Q5_0: 0.06,
    Q4_K: 0.1,
    Q4_0: 0.12,
  };

  test.each(types)("%s: types follow the mix, values come back within the type's error", async (type) => {
    const file = await open(await convertedTo(type));
    const exact = await open(await convertedTo("f32"));
    const unpacked = join(folder, `${type}-as-f32.gguf`);
    await quantizeFile(await convertedTo(type), unpacked, { type: "f32" });
    const values = await open(unpacked);
    expect(file.info.metadata["general.file_type"]).toBe(fileTypes[type].number);
    for (const tensor of file.info.tensors) {
      expect(tensor.type, tensor.name).toBe(tensorType(tensor.name, tensor.shape, type, { numLayers: 6, tied: true }));
      const got = values.tensors.get(tensor.name);
      const want = exact.tensors.get(tensor.name);
      if (!got || !want) throw new Error(tensor.name);
      expect(
        relativeError(floats(exact.bytes, want), want.shape, floats(values.bytes, got), got.shape),
        tensor.name,
      ).toBeLessThanOrEqual(bounds[tensor.type] ?? 0);
    }
  });

  test("the vision MLP is widened with zeros where its rows would not fit blocks", async () => {
    const { info, tensors } = await open(await convertedTo("q8_0"));
    expect(info.metadata["mplugowl3.vision.feed_forward_length"]).toBe(320);
    expect(tensors.get("v.blk.0.ffn_up.weight")).toMatchObject({ type: "F16", shape: [144, 320] });
    expect(tensors.get("v.blk.0.ffn_up.bias")).toMatchObject({ type: "F32", shape: [320] });
    expect(tensors.get("v.blk.0.ffn_down.weight")).toMatchObject({ type: "Q8_0", shape: [320, 144] });
  });

  test.each([
    ["gated-head", "gated_head", 48, 42, "v2", [64, 64]],
    ["gated-channel", "gated_channel", 38, 30, "v3", [96]],
  ] as const)(
    "%s: its kind, crops and template are keys, its gates f32 in any type",
    async (name, kind, side, read, template, shape) => {
      const checkpoint = converter(`random/${name}/model`);
      for (const type of ["f32", "bf16", "q8_0", "q4_k_m"] as const) {
        const { info, tensors } = await open(await checkpoint(type));
        expect(info.metadata).toMatchObject({
          "mplugowl3.hyper_attention.kind": kind,
          "mplugowl3.hyper_attention.media_offset": 1,
          "mplugowl3.vision.crop_size": side,
          "mplugowl3.vision.image_size": read,
          "mplugowl3.prompt.cut_template": template,
        });
        const gates = info.tensors.filter(({ name }) => name.endsWith(".attn_v_gate.weight"));
        expect(gates.map(({ type, shape }) => [type, shape])).toEqual(Array(2).fill(["F32", shape]));
        expect(tensors.has("mm.0.weight")).toBe(true);
        expect(tensors.has("mm.2.weight")).toBe(false);
      }
      const output = join(folder, `${name}-requantized.gguf`);
      await quantizeFile(await checkpoint("f32"), output, { type: "q8_0" });
      const [again, straight] = [await open(output), await open(await checkpoint("q8_0"))];
      expect(again.info.metadata).toEqual(straight.info.metadata);
      expect(again.info.tensors.map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
        straight.info.tensors.map(({ name, type, shape }) => ({ name, type, shape })),
      );
    },
  );

  test("files of 241101 have no key of the others", async () => {
    const { info } = await open(await convertedTo("f32"));
    const keys = Object.keys(info.metadata).filter((key) => /kind|media_offset|vision\.crop_size|prompt/.test(key));
    expect(keys).toEqual([]);
  });

  test("quantize of an f32 file gives the bytes that convert gives", async () => {
    const output = join(folder, "requantized.gguf");
    await quantizeFile(await convertedTo("f32"), output, { type: "q4_k_m" });
    const a = await open(output);
    const b = await open(await convertedTo("q4_k_m"));
    for (const tensor of b.info.tensors) {
      const other = a.tensors.get(tensor.name);
      if (!other) throw new Error(tensor.name);
      expect(
        a.bytes
          .subarray(other.offset, other.offset + other.bytes)
          .equals(b.bytes.subarray(tensor.offset, tensor.offset + tensor.bytes)),
        tensor.name,
      ).toBe(true);
    }
    expect(new Set(Object.keys(a.info.metadata))).toEqual(new Set(Object.keys(b.info.metadata)));
    for (const [key, value] of Object.entries(b.info.metadata)) expect(a.info.metadata[key], key).toEqual(value);
  });

  test("the same bytes for any number of threads", async () => {
    const one = join(folder, "one.gguf");
    await convertCheckpoint(goldenCheckpoint, one, { type: "q4_k_m", threads: 1 });
    const many = join(folder, "many.gguf");
    await convertCheckpoint(goldenCheckpoint, many, { type: "q4_k_m", threads: 7 });
    expect(readFileSync(one).equals(readFileSync(many))).toBe(true);
  });

  test("an abort leaves neither the file nor its temporary one", async () => {
    const place = join(folder, "aborted");
    const controller = new AbortController();
    const done = convertCheckpoint(goldenCheckpoint, `${place}.gguf`, { type: "q6_k", signal: controller.signal });
    const watch = setInterval(() => {
      if (existsSync(`${place}.gguf.partial`)) controller.abort();
    }, 1);
    await expect(done).rejects.toMatchObject({ exitCode: 130 });
    clearInterval(watch);
    expect(readdirSync(folder).filter((name) => name.startsWith("aborted"))).toEqual([]);
  });
});

/** Root mean square of b - a (b may be wider: those values must be zero), relative to that of a. */
function relativeError(a: Float32Array, aShape: number[], b: Float32Array, bShape: number[]): number {
  const [aCols = 1, bCols = 1] = [aShape[0], bShape[0]];
  let error = 0;
  let power = 0;
  for (let i = 0; i < b.length; i++) {
    const [row, col] = [Math.floor(i / bCols), i % bCols];
    const want = col < aCols && row * aCols + col < a.length ? (a[row * aCols + col] ?? 0) : 0;
    error += ((b[i] ?? 0) - want) ** 2;
    power += want ** 2;
  }
  return Math.sqrt(error / (power || 1));
}
