import { fork } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { GgufMetadata } from "../../../src/native/gguf.js";
import { cacheFolder, cacheLimit, EmbeddingCache } from "../../../src/vision/cache.js";
import { hashVisionWeights } from "../../../src/vision/weights-hash.js";

let folder: string;
let cache: EmbeddingCache;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "owl3-cache-"));
  cache = new EmbeddingCache(folder, 1e6);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const shape = { tokens: 3, hiddenSize: 5 };
const key = (n: number) => EmbeddingCache.key("w", "a", Uint8Array.of(n));
const values = (n: number) => Float32Array.from({ length: 15 }, (_, i) => n + i / 7);
const fileOf = (k: string) => path.join(folder, k.slice(0, 2), `${k}.embeds`);

test("gives back what was kept, bit for bit, and nothing else", async () => {
  await cache.put(key(1), shape, values(1));
  expect(await cache.get(key(1), shape)).toEqual(values(1));
  const into = new Float32Array(15);
  expect(await cache.get(key(1), shape, into)).toBe(into);
  expect(into).toEqual(values(1));
  expect(await cache.get(key(2), shape)).toBeNull();
  expect(await new EmbeddingCache(folder).get(key(1), shape)).toEqual(values(1));
  expect(await cache.stats()).toEqual({ entries: 1, bytes: 48 + 60 });
});

test("a key depends on weights, arithmetic and pixels", () => {
  const pixels = Uint8Array.of(1, 2, 3);
  const keys = [
    EmbeddingCache.key("w", "a", pixels),
    EmbeddingCache.key("x", "a", pixels),
    EmbeddingCache.key("w", "b", pixels),
    EmbeddingCache.key("w", "a", Uint8Array.of(1, 2, 4)),
  ];
  expect(new Set(keys).size).toBe(4);
});

test("damaged entries are dropped: cut, a flipped bit, another shape, empty", async () => {
  const spoil: ((file: string) => void)[] = [
    (file) => truncateSync(file, 50),
    (file) => truncateSync(file, 0),
    (file) => {
      const bytes = readFileSync(file);
      bytes[70] = (bytes[70] as number) ^ 4;
      writeFileSync(file, bytes);
    },
  ];
  for (const [i, damage] of spoil.entries()) {
    await cache.put(key(i), shape, values(i));
    damage(fileOf(key(i)));
    expect(await cache.get(key(i), shape)).toBeNull();
    expect(() => statSync(fileOf(key(i)))).toThrow();
  }
  await cache.put(key(9), shape, values(9));
  expect(await cache.get(key(9), { tokens: 5, hiddenSize: 3 })).toBeNull();
});

test("stays under its limit by dropping what was used least lately", async () => {
  const small = new EmbeddingCache(folder, 108 * 10);
  for (let i = 0; i < 10; i++) {
    await small.put(key(i), shape, values(i));
    utimesSync(fileOf(key(i)), i, 1000 + i);
  }
  expect(await small.get(key(0), shape)).not.toBeNull(); // used now: no longer the oldest
  await small.put(key(10), shape, values(10));
  const { bytes } = await small.stats();
  expect(bytes).toBeLessThanOrEqual(108 * 10);
  expect(await small.get(key(0), shape)).not.toBeNull();
  expect(await small.get(key(10), shape)).not.toBeNull();
  expect(await small.get(key(1), shape)).toBeNull();
});

test("the entry that was just put stays, also where others are of the future", async () => {
  const small = new EmbeddingCache(folder, 3 * (48 + 60));
  for (const n of [1, 2, 3]) {
    await small.put(key(n), shape, values(n));
    utimesSync(fileOf(key(n)), 4e9 + n, 4e9 + n);
  }
  await small.put(key(4), shape, values(4));
  expect(await small.stats()).toEqual({ entries: 2, bytes: 2 * (48 + 60) });
  expect(await small.get(key(3), shape)).toEqual(values(3));
  expect(await small.get(key(4), shape)).toEqual(values(4));
});

test("an entry above the limit, or a cache of size 0, keeps nothing", async () => {
  const none = new EmbeddingCache(folder, 0);
  await none.put(key(1), shape, values(1));
  expect(readdirSync(folder)).toEqual([]);
});

test("clear removes entries and only what the cache made", async () => {
  writeFileSync(path.join(folder, "keep.txt"), "mine");
  await cache.put(key(1), shape, values(1));
  await cache.weightsHash(__filename, async () => "0".repeat(64));
  expect(await cache.clear()).toEqual({ entries: 1, bytes: 108 });
  expect(readdirSync(folder)).toEqual(["keep.txt"]);
  expect(await cache.stats()).toEqual({ entries: 0, bytes: 0 });
});

test("half-written entries of dead processes go when they are old", async () => {
  await cache.put(key(1), shape, values(1));
  const half = `${fileOf(key(1))}.1.abc.part`;
  writeFileSync(half, "x");
  await cache.prune(1e6);
  expect(statSync(half).size).toBe(1);
  utimesSync(half, 1, 1);
  await cache.prune(1e6);
  expect(() => statSync(half)).toThrow();
  expect(await cache.get(key(1), shape)).not.toBeNull();
});

test("a folder that can't be written costs nothing but the cache", async () => {
  const file = path.join(folder, "file");
  writeFileSync(file, "");
  const broken = new EmbeddingCache(path.join(file, "sub"), 1e6);
  await broken.put(key(1), shape, values(1));
  expect(await broken.get(key(1), shape)).toBeNull();
  expect(await broken.weightsHash(file, async () => "a".repeat(64))).toBe("a".repeat(64));
});

test("weights are hashed once, and again when the file changes", async () => {
  const file = path.join(folder, "model.gguf");
  writeFileSync(file, "one");
  let computed = 0;
  const hash = () => cache.weightsHash(file, async () => String(++computed).padStart(64, "0"));
  expect(await hash()).toBe(await hash());
  expect(computed).toBe(1);
  writeFileSync(file, "three");
  expect(await hash()).toBe("2".padStart(64, "0"));
});

test("files that cut pictures to other crops have other hashes, for all that their weights are the same", async () => {
  const hashOf = (metadata: GgufMetadata) => {
    const file = { path: "", version: 3, fileBytes: 0, metadata, types: {}, tensors: [] };
    return hashVisionWeights({ readGguf: async () => file }, import.meta.filename);
  };
  const read = { "mplugowl3.vision.image_size": 378, "mplugowl3.block_count": 24 };
  const hash = await hashOf(read);
  expect(await hashOf({ ...read, "mplugowl3.vision.crop_size": 384 })).not.toBe(hash);
  expect(await hashOf({ ...read, "mplugowl3.block_count": 28 })).toBe(hash);
});

test("many writers at once: every entry that can be read is whole", async () => {
  const script = path.join(folder, "writer.mjs");
  const built = new URL("../../../dist/vision/cache.js", import.meta.url).href;
  writeFileSync(
    script,
    `import { EmbeddingCache } from ${JSON.stringify(built)};
     const cache = new EmbeddingCache(${JSON.stringify(folder)}, 108 * 8);
     for (let round = 0; round < 20; round++)
       for (let i = 0; i < 12; i++) {
         const key = EmbeddingCache.key("w", "a", Uint8Array.of(i));
         const got = await cache.get(key, { tokens: 3, hiddenSize: 5 });
         if (got && got[0] !== i) process.exit(1);
         await cache.put(key, { tokens: 3, hiddenSize: 5 }, Float32Array.from({ length: 15 }, (_, j) => i + j / 7));
       }`,
  );
  const codes = await Promise.all(
    [0, 1, 2].map(() => new Promise((resolve) => fork(script, { execArgv: [] }).once("exit", resolve))),
  );
  expect(codes).toEqual([0, 0, 0]);
  for (let i = 0; i < 12; i++) expect([null, i]).toContain((await cache.get(key(i), shape))?.[0] ?? null);
  expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith(".part"))).toEqual([]);
  expect((await cache.stats()).bytes).toBeLessThanOrEqual(108 * 12);
});

test("folder and limit come from the environment", () => {
  expect(cacheFolder({ OWL3_CACHE_DIR: "/x/y" })).toBe("/x/y");
  if (process.platform === "linux") expect(cacheFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/owl3/embeds");
  expect(cacheLimit({})).toBe(2e9);
  expect(["0", "100", "500MB", "1.5 GB", "2g"].map((text) => cacheLimit({ OWL3_CACHE_SIZE: text }))).toEqual([
    0, 100, 5e8, 1.5e9, 2e9,
  ]);
  expect(() => cacheLimit({ OWL3_CACHE_SIZE: "much" })).toThrow(/OWL3_CACHE_SIZE is "much"/);
});

test("entries are private", async () => {
  await cache.put(key(1), shape, values(1));
  if (process.platform !== "win32") expect(statSync(fileOf(key(1))).mode & 0o077).toBe(0);
});
