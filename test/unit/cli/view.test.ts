import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgressView } from "../../../src/cli/chat/view.js";
import { createOutput } from "../../../src/cli/output.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("within a crop the time goes on: so far before the first, left after it; stop() ends it", () => {
  let shown = "";
  const update = (text: string): void => {
    shown = text;
  };
  const progress = (text: string) => {
    update(text);
    return { update, stop: () => update("") };
  };
  const view = new ProgressView({ ...createOutput({ quiet: true }), progress });
  const encode = { stage: "encode", total: 7, decoded: 4, unit: "crop", memory: 1e6 } as const;
  view.on({ ...encode, done: 0, msPerCrop: 0 });
  expect(shown).toBe("encoding: 0 of 7 crops (4 decoded), memory 1.0 MB");
  vi.advanceTimersByTime(8000);
  expect(shown).toContain("8 s so far");
  view.on({ ...encode, done: 1, msPerCrop: 10_000, msLeft: 60_000 });
  expect(shown).toContain("60 s left");
  vi.advanceTimersByTime(5000);
  expect(shown).toContain("10.00 s/crop, 55 s left");
  vi.advanceTimersByTime(100_000);
  expect(shown).toContain(" 0 s left");
  view.stop();
  vi.advanceTimersByTime(5000);
  expect(shown).toBe("");
});
