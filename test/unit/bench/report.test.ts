import { expect, test } from "vitest";
import type { BenchResult } from "../../../src/bench/measure.js";
import { reportLines } from "../../../src/bench/report.js";

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
  expect(lines.at(-1)).toContain("2.2 GB");
});
