#!/usr/bin/env node
/**
 * Damages entries of the cache of crops and reads them: node tools/stress/crops.mjs [--count N] [--seed N] [--minutes N]. Build first (npm run build).
 *
 * An entry must give the values that were put there or none, and a damaged one must be gone and be written anew; the cache must stay within its limit, and
 * files of others beside it must stay as they are. The last line is "N passed, N failed".
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { EmbeddingCache } from "../../dist/vision/cache.js";
import { caseOptions, demand, mutateBytes, runCases } from "./cases.mjs";
import { temporaryFolder } from "./places.mjs";

const base = temporaryFolder("crops");
const outside = path.join(base, "outside");
writeFileSync(outside, "secret");
const entryBytes = ({ tokens, hiddenSize }) => 48 + 4 * tokens * hiddenSize;

/** Damages an entry, or what its file is. */
function damage(draw, file) {
  const bytes = readFileSync(file);
  const replace = (make) => {
    rmSync(file);
    make();
  };
  const ways = [
    () => writeFileSync(file, mutateBytes(draw, bytes)),
    () => writeFileSync(file, mutateBytes(draw, bytes)),
    () => writeFileSync(file, Buffer.concat([mutateBytes(draw, bytes.subarray(0, 48)), bytes.subarray(48)])),
    () => truncateSync(file, draw.below(bytes.length)),
    () => writeFileSync(file, Buffer.alloc(bytes.length, draw.below(256))),
    () => writeFileSync(file, Buffer.concat([bytes, bytes])),
    () => replace(() => mkdirSync(file)),
    () => replace(() => symlinkSync(outside, file)),
    () => rmSync(file),
    () => utimesSync(file, draw.below(2 ** 31), draw.pick([0, 2 ** 31, 2 ** 33])),
  ];
  draw.pick(ways)();
}

await runCases(caseOptions(20_000), async (draw, number) => {
  const folder = path.join(base, String(number));
  const shape = { tokens: 1 + draw.below(8), hiddenSize: 1 + draw.below(16) };
  const limit = draw.pick([1e6, 3 * entryBytes(shape), entryBytes(shape) - 1]);
  const cache = new EmbeddingCache(folder, limit);
  const entries = draw.list(4, (_, i) => {
    const values = Float32Array.from({ length: shape.tokens * shape.hiddenSize }, () => draw.random() - 0.5);
    return { key: EmbeddingCache.key("weights", "arithmetic", Buffer.from([i, number & 255])), values };
  });
  mkdirSync(folder);
  writeFileSync(path.join(folder, "notes.txt"), "theirs");
  const same = (a, b) => Buffer.from(a.buffer).equals(Buffer.from(b.buffer));
  for (const { key, values } of entries) await cache.put(key, shape, values);
  const whole = (await cache.stats()).bytes;
  demand(whole <= limit, () => `${whole} bytes are kept, of at most ${limit}`);
  for (const { key, values } of entries) {
    const file = path.join(folder, key.slice(0, 2), `${key}.embeds`);
    const kept = limit >= entryBytes(shape) && readdirSync(path.dirname(file)).includes(path.basename(file));
    if (kept && !draw.oneIn(4)) damage(draw, file);
    const other = draw.oneIn(6) ? { ...shape, tokens: shape.tokens + 1 } : shape;
    const got = await cache.get(key, other);
    demand(got === null || (other === shape && same(got, values)), "a damaged entry is read");
    if (got === null) demand((await cache.get(key, shape)) === null || other === shape, "a damaged entry is left");
    // Another run writes it anew, unless a folder is in its way.
    const next = new EmbeddingCache(folder, limit);
    await next.put(key, shape, values);
    const again = await next.get(key, shape);
    demand(again === null || same(again, values), "other values than were put");
    const inTheWay = readdirSync(folder, { withFileTypes: true, recursive: true }).some(
      (entry) => entry.isDirectory() && entry.name.endsWith(".embeds"),
    );
    demand(again !== null || inTheWay || limit < 3 * entryBytes(shape), "an entry is not written anew");
  }
  await cache.prune(draw.below(1000));
  const left = await cache.clear();
  demand(left.entries <= entries.length, "more entries than were put");
  demand(
    readFileSync(outside, "utf8") === "secret" && readFileSync(path.join(folder, "notes.txt"), "utf8") === "theirs",
    "a file of others is changed",
  );
  demand(readdirSync(folder).join() === "notes.txt", () => `${readdirSync(folder)} are left`);
  rmSync(folder, { recursive: true });
});
