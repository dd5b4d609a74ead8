import { expect, test } from "vitest";
import { type ModelFlags, owlOptions } from "../../../src/cli/chat/flags.js";

const flags: ModelFlags = { model: "m.gguf", device: "auto", precision: "auto", cache: true, repackCache: true };

test("layers are placed for the context and the type of the cache that were asked for", () => {
  const placedFor = (more: Partial<ModelFlags>) => owlOptions({ ...flags, ...more }).placedFor;
  expect(placedFor({})).toBeUndefined();
  expect(placedFor({ kvType: "q8_0" })).toMatchObject({ contextLength: 4096, kvType: "q8_0" });
  expect(placedFor({ ctx: 100 })).toMatchObject({ contextLength: 100, kvType: undefined });
  expect(placedFor({ ctx: 100, kvType: "f32" })).toMatchObject({ contextLength: 100, kvType: "f32" });
});
