import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expandMedia, naturalOrder } from "../../../src/media/sequence.js";

const png = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "owl3-sequence-"));
  for (const name of [
    "img10.png",
    "img2.png",
    "IMG1.png",
    "not-a-picture.txt.png",
    ".hidden.png",
    "photo.dat",
    "a[1].png",
  ])
    writeFileSync(path.join(folder, name), name.startsWith("not") ? "text" : png);
  mkdirSync(path.join(folder, "sub"));
  writeFileSync(path.join(folder, "sub", "img3.png"), png);
  mkdirSync(path.join(folder, "empty"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const names = async (...args: string[]) =>
  (await expandMedia(args.map((arg) => path.join(folder, arg)))).map((file) => path.relative(folder, file));

test("natural order", () => {
  expect(["b10", "B2", "a", "b1", "b02", "b2"].sort(naturalOrder)).toEqual(["a", "b1", "B2", "b02", "b2", "b10"]);
});
test("a folder gives its pictures, by their bytes, in natural order", async () => {
  expect(await names(".")).toEqual(["a[1].png", "IMG1.png", "img2.png", "img10.png", "photo.dat"]);
});
test("patterns", async () => {
  expect(await names("img*.png")).toEqual(["img2.png", "img10.png"]);
  expect(await names("img?.png")).toEqual(["img2.png"]);
  expect(await names("s*/*.png")).toEqual([path.join("sub", "img3.png")]);
  expect(await names("[iI]*[0-9].png")).toEqual(["IMG1.png", "img2.png", "img10.png"]);
});
test("a file whose name looks like a pattern is that file; unknown names and - stay", async () => {
  expect(await names("a[1].png")).toEqual(["a[1].png"]);
  expect(await expandMedia(["-", "missing.png", "https://example.org/a?b=[c]", "is it a dog?"])).toEqual([
    "-",
    "missing.png",
    "https://example.org/a?b=[c]",
    "is it a dog?",
  ]);
});
test("nothing found is said", async () => {
  await expect(names("empty")).rejects.toThrow(/empty holds no pictures/);
  await expect(names("*.jpeg")).rejects.toThrow(/no file matches .*\*\.jpeg/);
});
