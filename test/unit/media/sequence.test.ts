import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesOf } from "../../../src/batch/files.js";
import { RowFiles } from "../../../src/batch/media.js";
import { FileError } from "../../../src/errors.js";
import { naturalOrder } from "../../../src/media/folder.js";
import { type ExpandOptions, expandMedia } from "../../../src/media/sequence.js";
import { openSource } from "../../../src/media/source.js";

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
test("a folder's clips and, if asked for, its subfolders; what can't be used is left out and told", async () => {
  const mixed = path.join(folder, "mixed");
  mkdirSync(path.join(mixed, "inner"), { recursive: true });
  for (const name of ["1.png", "3.png", path.join("inner", "4.png")]) writeFileSync(path.join(mixed, name), png);
  writeFileSync(path.join(mixed, "2.mkv"), "\x1a\x45\xdf\xa3", "latin1");
  writeFileSync(path.join(mixed, "5.bmp"), "BM");
  writeFileSync(path.join(mixed, "notes.txt"), "x");
  const told: string[] = [];
  const names = async (options: ExpandOptions) =>
    (await expandMedia([mixed], options)).map((file) => path.relative(mixed, file));
  expect(await names({})).toEqual(["1.png", "2.mkv", "3.png"]);
  expect(await names({ only: "image" })).toEqual(["1.png", "3.png"]);
  expect(await names({ only: "video" })).toEqual(["2.mkv"]);
  expect(await names({ recursive: true })).toEqual(["1.png", "2.mkv", "3.png", path.join("inner", "4.png")]);
  const check = async (file: string) => {
    if (/3|bmp/.test(path.basename(file))) throw new FileError(`${path.basename(file)} is bad`);
  };
  const left = await names({
    check,
    onSkip: (error) => told.push(error.message),
    onSubfolders: (where, count) => told.push(`${path.basename(where)} ${count}`),
  });
  expect(left).toEqual(["1.png", "2.mkv"]);
  expect(told).toEqual(["mixed 1", "3.png is bad", "5.bmp is bad"]);
  const all = async () => Promise.reject(new FileError("bad"));
  await expect(names({ check: all })).rejects.toThrow("mixed holds no pictures or videos that can be read.");
  await expect(expandMedia([path.join(mixed, "inner")], { only: "video" })).rejects.toThrow("inner holds no videos.");
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
  await expect(names("empty")).rejects.toThrow(/empty holds no pictures or videos/);
  await expect(names("*.jpeg")).rejects.toThrow(/no file matches .*\*\.jpeg/);
});

test.skipIf(process.platform === "win32")(
  "a pipe that nobody writes to is no medium, and nobody waits for it",
  { timeout: 5000 },
  async () => {
    const pipes = path.join(folder, "pipes");
    mkdirSync(pipes);
    execFileSync("mkfifo", [path.join(pipes, "pipe.png")]);
    await expect(openSource(path.join(pipes, "pipe.png"))).rejects.toThrow(/pipe\.png is not a regular file\.$/);
    await expect(expandMedia([pipes])).rejects.toThrow(/holds no pictures or videos/);
    const files = await RowFiles.open();
    await expect(files.part({ where: path.join(pipes, "pipe.png") }, "")).rejects.toThrow(/is not a regular file\.$/);
    await expect(files.part({ where: pipes }, "")).rejects.toThrow(/is a folder, not a picture or video\.$/);
    writeFileSync(path.join(pipes, "a.png"), png);
    expect(await filesOf(pipes, () => {})).toEqual([path.join(pipes, "a.png"), path.join(pipes, "pipe.png")]); // its name is told
  },
);
