import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { filesOf } from "../../../src/batch/files.js";
import type { FileError } from "../../../src/errors.js";
import { expandMedia } from "../../../src/media/sequence.js";
import { temporaryFolder } from "../../support/files.js";

// An administrator may read every folder, so the refusal is played.
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const readdir = (folder: string, ...rest: []) => {
    if (path.basename(folder) !== "locked") return real.readdir(folder, ...rest);
    return Promise.reject(Object.assign(new Error("EACCES: permission denied, scandir"), { code: "EACCES" }));
  };
  return { ...real, readdir };
});

const folder = temporaryFolder();
const inFolder = (...names: string[]): string => path.join(folder, ...names);
for (const name of ["before", "locked", "then"]) mkdirSync(inFolder(name));
for (const name of [["a.png"], ["before", "b.JFIF"], ["locked", "c.png"], ["then", "d.heif"]])
  writeFileSync(inFolder(...name), "\x89PNG\r\n\x1a\n", "latin1");
for (const name of ["empty.heif", "empty.jpe", "empty.jfif"]) writeFileSync(inFolder("then", name), "");
for (const name of ["empty.pdf", "empty.txt"]) writeFileSync(inFolder("then", name), "");

const readable = [["a.png"], ["before", "b.JFIF"], ["then", "d.heif"]].map((name) => inFolder(...name));
const empty = ["empty.heif", "empty.jfif", "empty.jpe"].map((name) => inFolder("then", name));
const reason = `${inFolder("locked")} can't be read: permission is denied.`;

test("a subfolder that can't be read is told, and the others are looked through", async () => {
  const told: string[] = [];
  const onSkip = (error: FileError) => void told.push(error.message);
  expect((await expandMedia([folder], { recursive: true, onSkip })).sort()).toEqual(readable);
  expect(told.splice(0)).toEqual([reason]);
  // A file whose name says picture is a row, so that what is wrong with it is told.
  expect((await filesOf(folder, onSkip)).sort()).toEqual([...readable, ...empty].sort());
  expect(told.splice(0)).toEqual([reason]);
  expect((await filesOf(inFolder("**/*.png"), onSkip)).sort()).toEqual([inFolder("a.png")]);
  expect(told).toEqual([reason]);
});

test("the folder that was asked for must be readable, and a subfolder where nobody is told", async () => {
  const onSkip = () => expect.unreachable();
  await expect(filesOf(inFolder("locked"), onSkip)).rejects.toThrow(reason);
  await expect(expandMedia([inFolder("locked")], { onSkip })).rejects.toThrow(reason);
  await expect(expandMedia([folder], { recursive: true })).rejects.toThrow(reason);
});
