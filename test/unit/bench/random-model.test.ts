import { expect, test } from "vitest";
import { type BenchShape, benchShapes, randomModel } from "../../../src/bench/random-model.js";

/** Billions of values in the tensors of a shape. */
const billions = (shape: BenchShape) =>
  randomModel(shape, "bf16").tensors.reduce((sum, tensor) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0) / 1e9;

test.each<[BenchShape, string | undefined, number[], number]>([
  ["0.5b", "gated_channel", [5, 12, 19, 21], 0.9],
  ["1b", "gated_channel", [5, 12, 19, 21], 0.9],
  ["2b", "gated_channel", [6, 14, 22, 25], 2],
  ["7b", undefined, [6, 14, 22, 25], 8],
  ["7b-240728", "gated_head", [0, 8, 16, 24], 8],
])("%s has the architecture of its release", (shape, kind, hyperLayers, size) => {
  const { entries, tensors } = randomModel(shape, "q4_k_m");
  const values = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  expect(values["mplugowl3.hyper_attention.kind"]).toBe(kind);
  expect(values["mplugowl3.hyper_attention.blocks"]).toEqual(hyperLayers);
  expect(values["mplugowl3.vision.crop_size"]).toBe(kind && 384);
  expect(values["mplugowl3.vision.image_size"]).toBe(378);
  const gates = tensors.filter(({ name }) => name.endsWith(".attn_v_gate.weight"));
  expect(gates.map(({ name }) => Number(name.split(".")[1]))).toEqual(kind ? hyperLayers : []);
  expect(tensors.some(({ name }) => name === "mm.2.weight")).toBe(!kind);
  expect(Math.abs(billions(shape) / size - 1)).toBeLessThan(0.06);
});

test("every shape is one of those", () => {
  expect(benchShapes).toEqual(["0.5b", "1b", "2b", "7b", "7b-240728"]);
});
