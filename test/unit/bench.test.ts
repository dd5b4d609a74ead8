import { expect, test } from "vitest";
import type { BenchResult } from "../../src/bench/measure.js";
import { reportLines } from "../../src/bench/report.js";
import { decodeBytes, prefillProducts, visionAttention, visionProducts } from "../../src/bench/work.js";
import type { NativeConfig } from "../../src/engine/binding.js";

const config2b: NativeConfig = {
  name: "2b",
  blockCount: 28,
  hiddenSize: 1536,
  intermediateSize: 8960,
  heads: 12,
  kvHeads: 2,
  headDim: 128,
  vocabSize: 151851,
  contextLength: 32768,
  hyperLayers: [6, 14, 22, 25],
  cropSize: 378,
  patchSize: 14,
  cropTokens: 729,
  vision: { hiddenSize: 1152, intermediateSize: 4304, blockCount: 26, heads: 16 },
};

test("operations of a crop and of a prompt are those of the published shapes", () => {
  expect(visionProducts(config2b)).toBeCloseTo(580, -1);
  expect(visionAttention(config2b)).toBeCloseTo(63.7, 1);
  // 1.31e9 weights in the layers, two operations each and token; the output matrix once.
  expect(prefillProducts(config2b, 512)).toBeCloseTo(2 * 0.512 * 1310.2 + 0.47, 0);
});

test("decoding reads the keys of the text in every layer and of the crops in hyper layers", () => {
  expect(decodeBytes(config2b, 1110, 0, 0, 2)).toBe(1110);
  expect(decodeBytes(config2b, 1110, 3, 10, 2) - 1110).toBe(2 * 2 * 128 * 2 * (28 * 10 + 4 * 3 * 729));
});

test("the report puts each figure beside its limit", () => {
  const result: BenchResult = {
    model: { name: "random", path: "x.gguf", fileBytes: 1, weightBytes: 2e9 },
    backend: "cpu (avx2)",
    threads: 2,
    kvType: "f16",
    peaks: { int8: 400, bf16: 0, fp32: 200 },
    bandwidth: 30,
    measurements: [
      { name: "load", unit: "ms", best: 12.34, median: 15 },
      {
        name: "decode, 0 crops in sight",
        unit: "tok/s",
        best: 20,
        median: 19,
        limit: { of: "bandwidth", reached: 27, limit: 30, share: 0.9 },
      },
    ],
    peakMemory: 2.2e9,
  };
  const lines = reportLines(result);
  expect(lines[1]).toBe("cpu (avx2), 2 threads; limits: int8 400 Gop/s, fp32 200 Gop/s, memory 30.0 GB/s");
  expect(lines.find((line) => line.startsWith("load"))).toMatch(/12\.3 ms +15\.0 ms$/);
  expect(lines.find((line) => line.startsWith("decode"))).toMatch(
    /20\.0 tok\/s +19\.0 tok\/s +27\.0 GB\/s +30\.0 GB\/s +90 %$/,
  );
  expect(lines.at(-1)).toContain("2.20 GB");
});
