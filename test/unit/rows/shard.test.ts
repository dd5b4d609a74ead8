import { expect, test } from "vitest";
import { inShard, parseShard, shardFile } from "../../../src/rows/shard.js";

test("shards: parsed, counted from 0, and each row is in exactly one", () => {
  expect(parseShard("2/8")).toEqual({ index: 2, count: 8 });
  for (const wrong of ["4/4", "1/0", "-1/2", "1", "a/b", "1/2/3", "1.5/2", ""])
    expect(() => parseShard(wrong)).toThrow("shards of 4 are 0/4, 1/4, 2/4 and 3/4.");
  for (let row = 0; row < 20; row++)
    expect([0, 1, 2].filter((index) => inShard(row, { index, count: 3 }))).toEqual([row % 3]);
  expect(inShard(7, undefined)).toBe(true);
});

test("shards: their files are named after the whole", () => {
  const shard = { index: 2, count: 8 };
  expect(shardFile("captions.jsonl", shard)).toBe("captions.2-of-8.jsonl");
  expect(shardFile("a.b/captions", shard)).toBe("a.b/captions.2-of-8");
  expect(shardFile("/data/x.y.jsonl", shard)).toBe("/data/x.y.2-of-8.jsonl");
});
