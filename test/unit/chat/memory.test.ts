import { expect, test } from "vitest";
import { checkMemory, standsInMachine } from "../../../src/chat/memory.js";
import type { DevicePart, MemoryPlan } from "../../../src/native/model.js";

const none = { weights: 0, kvCache: 0, visualKv: 0, embeds: 0, scratch: 0, total: 0 };
const cpu = (layers: number): DevicePart => ({
  ...none,
  device: "cpu",
  name: "cpu (avx2)",
  layers,
  freeMemory: 0,
  heldScratch: 0,
});
const gpu = (layers: number): DevicePart => ({
  ...none,
  device: "cuda:0",
  name: "cuda:0 (GPU)",
  layers,
  freeMemory: 1,
  heldScratch: 0,
});
const plan = (...devices: DevicePart[]): MemoryPlan => ({ ...none, devices });

test("a model stands in the machine's memory where no GPU has a layer of it", () => {
  expect(standsInMachine(plan(cpu(6)))).toBe(true);
  expect(standsInMachine(plan(gpu(0), cpu(6)))).toBe(true);
  expect(standsInMachine(plan(gpu(6), cpu(0)))).toBe(false);
  expect(standsInMachine(plan(gpu(3), cpu(3)))).toBe(false);
});

test("the scratch that a device has already is not asked of it again, and what is missing is told without it", () => {
  const work = { weights: 5e9, kvCache: 3e8, visualKv: 0, embeds: 0, scratch: 7e8, total: 6e9 };
  const check = (freeMemory: number, heldScratch: number): void =>
    checkMemory({ ...work, devices: [{ ...work, ...gpu(6), ...work, freeMemory, heldScratch }, cpu(0)] }, 0);
  expect(() => check(1e9, 0)).not.toThrow();
  expect(() => check(9e8, 0)).toThrow("this needs 1.0 GB more memory (300 MB text context, 700 MB scratch)");
  expect(() => check(3e8, 7e8)).not.toThrow();
  expect(() => check(2e8, 7e8)).toThrow(
    "this needs 300 MB more memory (300 MB text context) and 200 MB of cuda:0 (GPU) are free.",
  );
  expect(() => check(4e8, 5e8)).toThrow("this needs 500 MB more memory (300 MB text context, 200 MB scratch)");
});
