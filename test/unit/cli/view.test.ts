import { expect, test } from "vitest";
import { ProgressView } from "../../../src/cli/chat/view.js";
import { createOutput } from "../../../src/cli/output.js";

let shown = "";
const update = (text: string): void => {
  shown = text;
};
const progress = (text: string) => {
  update(text);
  return { update, stop: () => update("") };
};
const view = new ProgressView({ ...createOutput({ quiet: true }), progress });

test("while a model is loaded its line tells the share of the weights, once that is known", () => {
  const load = { stage: "load", source: "7b.gguf", repacking: false } as const;
  view.on({ ...load, done: 0, total: 0 });
  expect(shown).toBe("loading 7b.gguf");
  view.on({ ...load, done: 3.19e9, total: 7.5e9 });
  expect(shown).toBe("loading 7b.gguf: 42 %, 3.2 GB of 7.5 GB");
  view.on({ ...load, done: 7.499e9, total: 7.5e9 });
  expect(shown).toBe("loading 7b.gguf: 99 %, 7.5 GB of 7.5 GB");
  view.on({ ...load, repacking: true, done: 7.5e9, total: 7.5e9 });
  expect(shown).toBe("repacking 7b.gguf: 100 %, 7.5 GB of 7.5 GB; the next start will be quicker");
  view.stop();
  expect(shown).toBe("");
});

test("within a crop the progress moves on with its layers, and tells the time left before the first is done", () => {
  const encode = { stage: "encode", total: 7, decoded: 4, unit: "crop", memory: 1e6 } as const;
  view.on({ ...encode, done: 0, part: 0, msPerCrop: 0 });
  expect(shown).toBe("encoding: 0 of 7 crops (4 decoded), memory 1.0 MB");
  view.on({ ...encode, done: 0, part: 0.37, msPerCrop: 0, msLeft: 59_100 });
  expect(shown).toBe("encoding: 0.4 of 7 crops (4 decoded), 60 s left, memory 1.0 MB");
  view.on({ ...encode, done: 1, part: 0, msPerCrop: 10_000, msLeft: 60_000 });
  expect(shown).toBe("encoding: 1 of 7 crops (4 decoded), 10.00 s/crop, 60 s left, memory 1.0 MB");
  view.on({ ...encode, done: 1, part: 1.5, msPerCrop: 0, msLeft: 45_000 });
  expect(shown).toBe("encoding: 2.5 of 7 crops (4 decoded), 10.00 s/crop, 45 s left, memory 1.0 MB");
  view.stop();
  expect(shown).toBe("");
});
