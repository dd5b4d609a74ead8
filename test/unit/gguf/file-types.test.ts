import { expect, test } from "vitest";
import { parseConfig } from "../../../src/convert/config.js";
import { widenedShape } from "../../../src/convert/convert.js";
import { storedShape, tensorLayout } from "../../../src/convert/layout.js";
import { tensorType, visionFeedForward } from "../../../src/convert/types.js";
import { type FileType, fileTypeName, fileTypeNames, fileTypes, sizeShare } from "../../../src/gguf/file-types.js";
import { bitsPerValue, formats, isFloat } from "../../../src/gguf/formats.js";

test("the engine tells its formats", () => {
  expect([...formats().keys()].sort()).toEqual(["BF16", "F16", "F32", "Q4_0", "Q4_K", "Q5_0", "Q5_K", "Q6_K", "Q8_0"]);
  expect(formats().get("Q4_K")).toEqual({ name: "Q4_K", blockSize: 256, blockBytes: 144, quantised: true });
  expect(formats().get("BF16")).toEqual({ name: "BF16", blockSize: 1, blockBytes: 2, quantised: false });
  expect([...formats().values()].map(bitsPerValue).every((bits) => bits >= 4.5 && bits <= 32)).toBe(true);
});

test("float formats are told from quantised ones and from types that are not read", () => {
  expect(["F32", "F16", "BF16"].every(isFloat)).toBe(true);
  expect(["Q8_0", "Q4_K", "I64", "constructor"].some(isFloat)).toBe(false);
});

test("a file type is found by llama.cpp's number, and its format is one that the engine writes", () => {
  for (const name of fileTypeNames) {
    expect(fileTypeName(fileTypes[name].number)).toBe(name);
    expect(formats().has(fileTypes[name].format)).toBe(true);
  }
  expect([fileTypeName(15), fileTypeName(3), fileTypeName("15"), fileTypeName(undefined)]).toEqual([
    "q4_k_m",
    null,
    null,
    null,
  ]);
});

const vision = { hidden_size: 1152, intermediate_size: 4304, num_hidden_layers: 27, num_attention_heads: 16 };
const models = {
  "2b": { hidden_size: 1536, intermediate_size: 8960, num_attention_heads: 12, num_key_value_heads: 2, layers: 28 },
  "7b": { hidden_size: 3584, intermediate_size: 18944, num_attention_heads: 28, num_key_value_heads: 4, layers: 28 },
} as const;

/** Bytes of all tensors of a model in a file of that type, as a share of the same in 16 bits. */
function share(model: keyof typeof models, type: FileType): number {
  const { layers, ...size } = models[model];
  const tied = model === "2b";
  const config = parseConfig(
    {
      ...size,
      num_hidden_layers: layers,
      vocab_size: 151851,
      max_position_embeddings: 32768,
      hyper_layers: [7, 15, 21, 23],
      vision_config: { ...vision, image_size: 384, patch_size: 14 },
    },
    model,
  );
  const widened = visionFeedForward(config.vision.intermediateSize, type);
  let bits = 0;
  let values = 0;
  for (const { name, shape } of tensorLayout(config, model === "2b" ? "gated_channel" : "fused", tied)) {
    const stored = widenedShape(name, storedShape(shape), widened);
    const format = formats().get(tensorType(name, stored, type, { numLayers: config.numLayers, tied }));
    bits += stored.reduce((a, b) => a * b, 1) * (format ? bitsPerValue(format) : Number.NaN);
    values += shape.reduce((a, b) => a * b, 1);
  }
  return bits / 16 / values;
}

test.each(fileTypeNames)("%s: a file's share of the checkpoint's size is bounded, and not far below", (type) => {
  const room = type.startsWith("q") ? 0 : 0.01; // vectors and positions of an f16 file are f32
  for (const model of ["2b", "7b"] as const) {
    expect(share(model, type)).toBeLessThan(sizeShare(type) + room);
    expect(share(model, type)).toBeGreaterThan(0.7 * sizeShare(type));
  }
});
