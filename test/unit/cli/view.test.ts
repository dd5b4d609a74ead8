import { expect, test } from "vitest";
import { ProgressView } from "../../../src/cli/chat/view.js";
import { createOutput } from "../../../src/cli/output.js";

test("within a crop the progress moves on with its layers, and tells the time left before the first is done", () => {
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
