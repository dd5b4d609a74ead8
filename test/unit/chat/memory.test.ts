import { expect, test } from "vitest";
import { standsInMachine } from "../../../src/chat/memory.js";
import type { DevicePart, MemoryPlan } from "../../../src/native/binding.js";

const none = { weights: 0, kvCache: 0, visualKv: 0, embeds: 0, scratch: 0, total: 0 };
const cpu = (layers: number): DevicePart => ({ ...none, device: "cpu", name: "cpu (avx2)", layers, freeMemory: 0 });
const gpu = (layers: number): DevicePart => ({
  ...none,
  device: "cuda:0",
  name: "cuda:0 (GPU)",
  layers,
  freeMemory: 1,
});
const plan = (...devices: DevicePart[]): MemoryPlan => ({ ...none, devices });

test("a model stands in the machine's memory where no GPU has a layer of it", () => {
  expect(standsInMachine(plan(cpu(6)))).toBe(true);
  expect(standsInMachine(plan(gpu(0), cpu(6)))).toBe(true);
  expect(standsInMachine(plan(gpu(6), cpu(0)))).toBe(false);
  expect(standsInMachine(plan(gpu(3), cpu(3)))).toBe(false);
});
