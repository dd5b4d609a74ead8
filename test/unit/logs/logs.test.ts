import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { LogEntry } from "../../../src/logs/entry.js";
import { addEntry, isLogging, logFiles, readEntries, switchLogs } from "../../../src/logs/logs.js";
import { temporaryFolder } from "../../support/files.js";

const parent = temporaryFolder();
let count = 0;
let folder: string;
beforeEach(() => {
  folder = path.join(parent, String(count++), "logs");
});

const entry = (time: string, prompt: string, answer = "Yes."): LogEntry => ({
  ...{ time, model: "m.gguf", prompt, answer, finish: "stop", ms: 5 },
  media: [{ path: "/a.png", sha256: "0".repeat(64), bytes: 3 }],
});

test("nothing is logged until it is switched on, nor where the environment forbids it", async () => {
  expect(await isLogging(folder, {})).toBe(false);
  expect(existsSync(folder)).toBe(false);
  await switchLogs(true, folder);
  expect(await isLogging(folder, {})).toBe(true);
  expect(await isLogging(folder, { OWL3_NO_LOG: "0" })).toBe(true);
  expect(await isLogging(folder, { OWL3_NO_LOG: "1" })).toBe(false);
  await switchLogs(false, folder);
  expect(await isLogging(folder, {})).toBe(false);
  await switchLogs(false, path.join(parent, "nowhere"));
});

test("entries are found from the newest month on, by text in question or answer", async () => {
  expect(await readEntries({ count: 3 }, folder)).toEqual({ entries: [], damaged: 0 });
  const all = [
    entry("2026-01-31T10:00:00.000Z", "first"),
    entry("2026-02-01T10:00:00.000Z", "second", "An owl."),
    entry("2026-02-02T10:00:00.000Z", "Third: ÉCOLE"),
    entry("2026-02-03T10:00:00.000Z", "fourth"),
  ];
  for (const one of all) await addEntry(one, folder);
  expect(await logFiles(folder)).toHaveLength(2);
  expect((await readEntries({ count: 2 }, folder)).entries).toEqual(all.slice(2));
  expect((await readEntries({ count: 4 }, folder)).entries).toEqual(all);
  expect((await readEntries({ count: 100 }, folder)).entries).toEqual(all);
  expect((await readEntries({ count: 3, text: "OWL" }, folder)).entries).toEqual([all[1]]);
  expect((await readEntries({ count: 3, text: "e\u0301cole" }, folder)).entries).toEqual([all[2]]);
  expect((await readEntries({ count: 3, text: "fir" }, folder)).entries).toEqual([all[0]]);
});

test("files are of the user alone", async () => {
  await addEntry(entry("2026-01-31T10:00:00.000Z", "first"), folder);
  const [file = ""] = await logFiles(folder);
  expect([statSync(folder).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
});

test("a torn line costs no other entry, and lines that are no entries are counted", async () => {
  const one = entry("2026-01-31T10:00:00.000Z", "first");
  await addEntry(one, folder);
  const [file = ""] = await logFiles(folder);
  appendFileSync(file, '{"time":"2026-01-');
  await addEntry(one, folder);
  appendFileSync(file, '{}\nnull\n{"time":1}\n\n');
  appendFileSync(file, `${JSON.stringify({ ...one, media: [null] })}\n${JSON.stringify({ ...one, time: "x" })}\n`);
  expect(await readEntries({ count: 9 }, folder)).toEqual({ entries: [one, one], damaged: 6 });
});

test("lines of several writers stay whole", async () => {
  const long = "x".repeat(100_000);
  const entries = Array.from({ length: 20 }, (_, i) => entry("2026-01-31T10:00:00.000Z", `${i} ${long}`));
  await Promise.all(entries.map((one) => addEntry(one, folder)));
  const { entries: read, damaged } = await readEntries({ count: 20 }, folder);
  expect(damaged).toBe(0);
  expect(read.map(({ prompt }) => prompt.split(" ")[0]).sort()).toEqual(entries.map((_, i) => String(i)).sort());
});

test("a log that can't be written is a sentence", async () => {
  writeFileSync(path.join(parent, "file"), "");
  const one = entry("2026-01-31T10:00:00.000Z", "first");
  await expect(addEntry(one, path.join(parent, "file"))).rejects.toThrow(/2026-01\.jsonl can't be written: .*\.$/);
  await expect(switchLogs(true, path.join(parent, "file"))).rejects.toThrow(/can't be written/);
  expect(readFileSync(path.join(parent, "file"), "utf8")).toBe("");
});
