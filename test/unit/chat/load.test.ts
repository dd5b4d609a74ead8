import { expect, test, vi } from "vitest";
import { loadModel } from "../../../src/chat/load.js";
import { placeOf } from "../../../src/chat/plan.js";
import type { Progress } from "../../../src/chat/progress.js";
import type { Binding } from "../../../src/native/binding.js";
import { fakeEngine } from "../../support/fake.js";

test("while the engine loads it is asked how far it is, and at last once it is done", async () => {
  vi.useFakeTimers();
  const { binding } = fakeEngine();
  const loading = { bytes: 0, total: 0 };
  let finish = () => {};
  const engine: Binding = {
    ...binding,
    createLoading: () => loading,
    openModel: async (path, options, told) => {
      expect(told).toBe(loading);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return binding.openModel(path, options);
    },
  };
  const seen: Progress[] = [];
  const opened = loadModel(engine, "m.gguf", placeOf({}), { onProgress: (progress) => seen.push(progress) });
  for (const bytes of [10, 20]) {
    Object.assign(loading, { bytes, total: 40 });
    await vi.advanceTimersByTimeAsync(100);
  }
  loading.bytes = 40;
  finish();
  await opened;
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  const load = { stage: "load", source: "m.gguf", repacking: false };
  expect(seen).toEqual([
    { ...load, done: 0, total: 0 },
    { ...load, done: 10, total: 40 },
    { ...load, done: 20, total: 40 },
    { ...load, done: 40, total: 40 },
  ]);
});

test("a model that can't be opened ends the reports", async () => {
  vi.useFakeTimers();
  const { binding } = fakeEngine();
  const engine: Binding = { ...binding, openModel: () => Promise.reject(new Error("no memory")) };
  let reports = 0;
  await expect(loadModel(engine, "m.gguf", placeOf({}), { onProgress: () => reports++ })).rejects.toThrow("no memory");
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  expect(reports).toBe(1);
});
