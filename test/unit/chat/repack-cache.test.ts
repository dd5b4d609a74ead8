import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { RepackCache, repackFolder, repackLimit } from "../../../src/chat/repack-cache.js";
import { temporaryFolder } from "../../support/files.js";

const root = temporaryFolder();
let count = 0;
let folder: string;
beforeEach(() => {
  folder = path.join(root, `${count++}`);
  mkdirSync(folder);
});

const cache = (limit = 1e6): RepackCache => new RepackCache(path.join(folder, "repacked"), limit, 0);
function model(name: string, bytes = 1000): string {
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.alloc(bytes));
  return file;
}
/** Writes a file as the engine leaves it behind for a prefix. */
function written(prefix: string, { bytes = 1000, age = 0, partial = false } = {}): string {
  const file = `${prefix}-${"0".repeat(16)}.packed${partial ? ".partial" : ""}`;
  writeFileSync(file, Buffer.alloc(bytes));
  const time = new Date(Date.now() - age * 1000);
  utimesSync(file, time, time);
  return file;
}
const prefixOf = async (file: string, limit?: number): Promise<string> =>
  (await cache(limit).prefix(file))?.prefix as string;

test("a model file has a name of its own until its file changes", async () => {
  const [a, b] = [model("a"), model("b")];
  const first = await cache().prefix(a);
  expect(first).toMatchObject({ first: true });
  expect(path.dirname(first?.prefix as string)).toBe(path.join(folder, "repacked"));
  expect(statSync(path.join(folder, "repacked")).mode & 0o77).toBe(0);
  expect(await prefixOf(a)).toBe(first?.prefix);
  expect(await prefixOf(b)).not.toBe(first?.prefix);
  utimesSync(a, 1, 1);
  expect(await prefixOf(a)).not.toBe(first?.prefix);
});

test("says whether there is a file, which then counts as used just now", async () => {
  const a = model("a");
  const prefix = await prefixOf(a);
  written(prefix, { partial: true });
  expect(await cache().prefix(a)).toEqual({ prefix, first: true });
  const file = written(prefix, { age: 1000 });
  expect(await cache().prefix(a)).toEqual({ prefix, first: false });
  expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(100_000);
});

test("the least recently used files make room, and only files of the engine", async () => {
  const old = written(await prefixOf(model("old")), { age: 200 });
  const recent = written(await prefixOf(model("recent")), { age: 100 });
  const other = path.join(folder, "repacked", "notes.txt");
  writeFileSync(other, "mine");
  expect(await cache().stats()).toEqual({ entries: 2, bytes: 2000 });
  await prefixOf(model("new"), 2200);
  expect([old, recent, other].map((file) => existsSync(file))).toEqual([false, true, true]);
  expect(await cache().clear()).toEqual({ entries: 1, bytes: 1000 });
  expect(readdirSync(path.join(folder, "repacked"))).toEqual(["notes.txt"]);
});

test("what is not repacked makes no room", async () => {
  const other = written(await prefixOf(model("other")));
  expect(await cache(1200).prefix(model("new"), async () => false)).toBeUndefined();
  expect(existsSync(other)).toBe(true);
});

test("half-written files of dead processes go, those of others at work stay", async () => {
  const left = written(await prefixOf(model("a")), { partial: true, age: 7200 });
  const working = written(await prefixOf(model("b")), { partial: true });
  await cache().prune(1e6);
  expect([left, working].map((file) => existsSync(file))).toEqual([false, true]);
});

test("a model that is small or exceeds the limit, no folder and no model: nothing is kept", async () => {
  const a = model("a");
  expect(await new RepackCache(path.join(folder, "repacked"), 1e6).prefix(a)).toBeUndefined();
  expect(await cache(1050).prefix(a)).toBeUndefined();
  expect(await cache(0).prefix(a)).toBeUndefined();
  expect(await cache().prefix(path.join(folder, "none"))).toBeUndefined();
  writeFileSync(path.join(folder, "file"), "");
  expect(await new RepackCache(path.join(folder, "file", "x"), 1e6, 0).prefix(a)).toBeUndefined();
  rmSync(path.join(folder, "repacked"), { recursive: true, force: true });
  expect(await cache().stats()).toEqual({ entries: 0, bytes: 0 });
});

test("folder and limit come from the environment", () => {
  expect(repackFolder({ OWL3_CACHE_DIR: "/x" })).toBe("/x/repacked");
  expect(repackFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/owl3/repacked");
  expect(repackLimit({})).toBe(20e9);
  expect(repackLimit({ OWL3_REPACK_CACHE: "0" })).toBe(0);
  expect(repackLimit({ OWL3_REPACK_CACHE: "5 GB" })).toBe(5e9);
  expect(() => repackLimit({ OWL3_REPACK_CACHE: "off" })).toThrow(/OWL3_REPACK_CACHE is "off"/);
});
