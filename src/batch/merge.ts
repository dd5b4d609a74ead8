/** Puts the results of shards together, in the order of their rows. */
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";
import { FileError, systemReason, UsageError, UserError } from "../errors.js";
import { parseObject, splitLines } from "../rows/lines.js";
import { headerFile, lockResults, readHeader, writeAll, writeWhole } from "../rows/results.js";
import { type Shard, shardFile } from "../rows/shard.js";
import { type BatchHeader, batchResults, indexOf } from "./lines.js";

interface Place {
  index: number;
  shard: number;
  at: number;
  length: number;
}

/**
 * Merges the shards of `file` (captions.0-of-4.jsonl and so on become captions.jsonl), which must all be there, be whole and come from one run. Returns
 * how many rows there are and how many of them failed. Throws UsageError, FileError, or UserError for a shard that is unfinished or being written.
 */
export async function mergeShards(file: string): Promise<{ rows: number; failed: number }> {
  if (existsSync(file)) throw new UsageError(`${file} exists already; remove it or name another one.`);
  const count = countOf(file);
  const files = Array.from({ length: count }, (_, index) => shardFile(file, { index, count }));
  const missing = files.find((shard) => !existsSync(shard));
  if (missing !== undefined)
    throw new FileError(`there is no file ${missing}; run shard ${files.indexOf(missing)}/${count}.`);
  const locks: (() => void)[] = [];
  try {
    for (const shard of files) locks.push(lockResults(shard));
    const headers = files.map(headerOf);
    const [first] = headers as [BatchHeader];
    for (const [index, header] of headers.entries())
      checkShard(files[index] as string, header, first, { index, count });
    const places: Place[] = [];
    let failed = 0;
    for (const [shard, name] of files.entries()) failed += await addPlaces(places, name, shard);
    places.sort((a, b) => a.index - b.index);
    for (const [shard, name] of files.entries())
      checkWhole(places, name, first.rows as number, { index: shard, count });
    copy(file, files, places);
    const { shard: _, ...header } = first;
    writeWhole(headerFile(file), `${JSON.stringify(header)}\n`);
    renameSync(`${file}.partial`, file);
    return { rows: places.length, failed };
  } finally {
    rmSync(`${file}.partial`, { force: true });
    for (const unlock of locks) unlock();
  }
}

/** How many shards a file has, by the names beside it. */
function countOf(file: string): number {
  const folder = path.dirname(file);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const counts = new Set<number>();
  for (const name of names) {
    const [, index, count] = /\.(\d{1,6})-of-(\d{1,6})(?:\.[^.]*)?$/.exec(name)?.map(Number) ?? [];
    if (index === undefined || count === undefined) continue;
    if (name === path.basename(shardFile(file, { index, count }))) counts.add(count);
  }
  const [only] = counts;
  if (only === undefined)
    throw new FileError(`There are no shards of ${file}, such as ${shardFile(file, { index: 0, count: 4 })}.`);
  if (counts.size > 1)
    throw new UsageError(`There are shards of ${[...counts].join(" and of ")} beside ${file}; keep those of one run.`);
  return only;
}

function headerOf(file: string): BatchHeader {
  const header = readHeader(file);
  if (!header || !batchResults.isHeader(header))
    throw new FileError(`${headerFile(file)} does not say which run began ${file}.`);
  return header as BatchHeader;
}

function checkShard(file: string, header: BatchHeader, first: BatchHeader, { index, count }: Shard): void {
  if (header.shard !== `${index}/${count}`) throw new FileError(`${file} does not hold shard ${index}/${count}.`);
  const other = batchResults.difference({ ...header, shard: first.shard }, first);
  if (other) throw new UsageError(`${file} holds results with ${other}, which the first shard has.`);
  if (header.rows === undefined) throw unfinished(file);
  if (header.rows !== first.rows)
    throw new UsageError(`${file} is part of ${header.rows} rows, and the first shard of ${first.rows}.`);
}

const unfinished = (file: string): UserError =>
  new UserError(`${file} is not finished; run its shard again, which goes on with it.`);

/** Adds where the lines of a shard are; returns how many of them are those of failed rows. */
async function addPlaces(places: Place[], file: string, shard: number): Promise<number> {
  let at = 0;
  let failed = 0;
  let number = 0;
  for await (const { bytes, whole, length } of splitLines(createReadStream(file))) {
    number++;
    const line = whole ? parseObject(bytes) : undefined;
    const row = line && batchResults.read(line);
    if (!line || !row) throw new FileError(`${file}, line ${number} is damaged.`);
    places.push({ index: indexOf(line) as number, shard, at, length });
    at += length;
    if (row.failed) failed++;
  }
  return failed;
}

function checkWhole(places: readonly Place[], file: string, rows: number, { index, count }: Shard): void {
  const own = places.filter(({ shard }) => shard === index);
  const expected = Math.ceil((rows - index) / count);
  if (own.length !== Math.max(0, expected) || own.some((place, i) => place.index !== index + i * count))
    throw unfinished(file);
}

/** Writes all lines to FILE.partial. */
function copy(file: string, files: readonly string[], places: readonly Place[]): void {
  const from = files.map((name) => openSync(name, "r"));
  try {
    const to = openSync(`${file}.partial`, "w");
    try {
      for (const { shard, at, length } of places) {
        const line = Buffer.alloc(length);
        readSync(from[shard] as number, line, 0, length, at);
        writeAll(to, line);
      }
      fsyncSync(to);
    } finally {
      closeSync(to);
    }
  } catch (error) {
    throw new FileError(`${file} can't be written: ${systemReason(error)}.`, { cause: error });
  } finally {
    for (const one of from) closeSync(one);
  }
}
