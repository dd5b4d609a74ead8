import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../../../src/errors.js";
import { load } from "../../../src/native/native.js";

const folder = mkdtempSync(join(tmpdir(), "owl3-native-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a missing addon says how to build it", () => {
  const path = join(folder, "none.node");
  expect(() => load(path)).toThrow(UserError);
  expect(() => load(path)).toThrow(`${path} is missing`);
  expect(() => load(path)).toThrow(/npm rebuild owl3/);
});

test("an addon of another machine says so in one line", () => {
  const path = join(folder, "foreign.node");
  writeFileSync(path, "MZ not for this machine");
  expect(() => load(path)).toThrow(UserError);
  expect(() => load(path)).toThrow(
    /^the native engine does not load on this machine \(.*\): build it here with "npm rebuild owl3"\.$/,
  );
});
