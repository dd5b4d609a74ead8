import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { BatchHeader } from "../../../src/batch/lines.js";
import { mergeShards } from "../../../src/batch/merge.js";
import { lockFile } from "../../../src/lock.js";
import { headerFile } from "../../../src/rows/results.js";
import { shardFile } from "../../../src/rows/shard.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
let file = "";
let places = 0;
const header: BatchHeader = {
  owl3_batch: 1,
  version: "1",
  model: { name: "m", bytes: 1, fingerprint: "aa" },
  settings: { prompt: "?" },
  rows: 7,
};
const lineOf = (index: number) =>
  `${JSON.stringify({ id: `r${index}`, index, error: index === 4 ? { code: "x" } : null })}\n`;
const all = Array.from({ length: 7 }, (_, i) => lineOf(i));

/** Shards whose lines are in any order. */
function write(count: number, change: Partial<BatchHeader> = {}, only?: number): void {
  for (let index = 0; index < count; index++) {
    const shard = shardFile(file, { index, count });
    const lines = all.filter((_, i) => i % count === index).reverse();
    writeFileSync(shard, lines.join(""));
    const changed = only === undefined || only === index ? change : {};
    writeFileSync(headerFile(shard), JSON.stringify({ ...header, shard: `${index}/${count}`, ...changed }));
  }
}
beforeEach(() => {
  const place = join(folder, String(places++));
  mkdirSync(place);
  file = join(place, "out.jsonl");
});
const left = (): string[] =>
  readdirSync(join(file, "..")).filter((name) => !/-of-\d+\.jsonl(\.run\.json)?$/.test(name));

test("merge: the rows of all shards in their order, and a header without a shard", async () => {
  write(3);
  expect(await mergeShards(file)).toEqual({ rows: 7, failed: 1 });
  expect(readFileSync(file, "utf8")).toBe(all.join(""));
  expect(JSON.parse(readFileSync(headerFile(file), "utf8"))).toEqual(header);
  expect(left()).toEqual(["out.jsonl", "out.jsonl.run.json"]);
  await expect(mergeShards(file)).rejects.toThrow("out.jsonl exists already");
});

test("merge: more shards than rows", async () => {
  write(9);
  expect((await mergeShards(file)).rows).toBe(7);
});

test("merge: what is missing, unfinished or of another run is told, and nothing is written", async () => {
  const refused = async (why: string | RegExp) => {
    await expect(mergeShards(file)).rejects.toThrow(why);
    expect(left()).toEqual([]);
  };
  await refused("There are no shards of");
  write(3, { settings: { prompt: "!" } }, 1);
  await refused("holds results with prompt !, not ?, which the first shard has.");
  write(3, { rows: undefined }, 2);
  await refused("out.2-of-3.jsonl is not finished; run its shard again");
  write(3, { rows: 8 }, 2);
  await refused("is part of 8 rows, and the first shard of 7");
  write(3, { shard: "0/3" }, 1);
  await refused("does not hold shard 1/3");
  write(3);
  writeFileSync(shardFile(file, { index: 0, count: 3 }), [all[0], all[3]].join(""));
  await refused("out.0-of-3.jsonl is not finished");
  write(3);
  writeFileSync(shardFile(file, { index: 0, count: 3 }), [all[0], all[3], all[6]?.slice(0, -1)].join(""));
  await refused("line 3 is damaged");
  write(3);
  const unlock = lockFile(`${shardFile(file, { index: 1, count: 3 })}.lock`, String);
  await expect(mergeShards(file)).rejects.toThrow(/another owl3 \(process \d+\) is writing/);
  unlock();
  expect(left()).toEqual([]);
  rmSync(headerFile(shardFile(file, { index: 1, count: 3 })));
  await refused("does not say which run began");
  rmSync(shardFile(file, { index: 1, count: 3 }));
  await refused("there is no file");
  write(3);
  write(2);
  await refused(/There are shards of [23] and of [23] beside/);
  expect(existsSync(file)).toBe(false);
});
