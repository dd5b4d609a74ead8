import { expect, test } from "vitest";
import { decodeBytes, prefillProducts, visionAttention, visionProducts } from "../../../src/bench/work.js";
import type { NativeConfig } from "../../../src/native/model.js";

const config2b: NativeConfig = {
  name: "2b",
  numLayers: 28,
  hiddenSize: 1536,
  intermediateSize: 8960,
  numHeads: 12,
  numKvHeads: 2,
  headDim: 128,
  vocabSize: 151851,
  contextLength: 32768,
  hyperLayers: [6, 14, 22, 25],
  hyperKind: "gated_channel",
  cropSize: 384,
  patchSize: 14,
  cropTokens: 729,
  vision: { hiddenSize: 1152, intermediateSize: 4304, numLayers: 26, numHeads: 16 },
};

test("operations of a crop and of a prompt are those of the published shapes", () => {
  expect(visionProducts(config2b)).toBeCloseTo(577, -1);
  // The second matrix of the projector is 241101's alone.
  const second = visionProducts({ ...config2b, hyperKind: "fused" }) - visionProducts(config2b);
  expect(second).toBeCloseTo((2 * 729 * 1536 ** 2) / 1e9);
  expect(visionAttention(config2b)).toBeCloseTo(63.7, 1);
  // 1.31e9 weights in the layers, two operations each and token; the output matrix once.
  expect(prefillProducts(config2b, 512)).toBeCloseTo(2 * 0.512 * 1310.2 + 0.47, 0);
});

test("decoding reads the keys of the text in every layer and of the crops in hyper layers", () => {
  expect(decodeBytes(config2b, 1110, 0, 0, 2)).toBe(1110);
  expect(decodeBytes(config2b, 1110, 3, 10, 2) - 1110).toBe(2 * 2 * 128 * 2 * (28 * 10 + 4 * 3 * 729));
});
