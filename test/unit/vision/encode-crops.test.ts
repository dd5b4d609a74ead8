import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NativeConfig } from "../../../src/native/model.js";
import type { NativeEmbeds } from "../../../src/native/session.js";
import { Turns } from "../../../src/native/turns.js";
import { EmbeddingCache } from "../../../src/vision/cache.js";
import { type CropCache, Crops, type EncodedCrop } from "../../../src/vision/crops.js";
import { encodeCrops } from "../../../src/vision/encode-crops.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "owl3-encode-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A model whose embeddings of a crop are its first byte plus 0, 0.1, ...; one crop is 12 bytes. */
function fakeModel(msPerCrop = 0) {
  const seen: number[] = [];
  const alive = new Set<NativeEmbeds>();
  const embeds = (data: Float32Array, crops: number): NativeEmbeds => {
    const toFloat32 = (into = new Float32Array(data.length)) => {
      into.set(data);
      return into;
    };
    const made = { crops, bytes: data.byteLength, toFloat32, dispose: () => alive.delete(made) };
    alive.add(made as unknown as NativeEmbeds);
    return made as unknown as NativeEmbeds;
  };
  return {
    seen,
    alive,
    config: { cropTokens: 2, hiddenSize: 3 } as NativeConfig,
    encodedShare: 0.25,
    encode: async (crops: Uint8Array, n: number) => {
      seen.push(n);
      await new Promise((resolve) => setTimeout(resolve, msPerCrop * n));
      if (crops.includes(66)) throw new Error("encode failed");
      return embeds(
        Float32Array.from({ length: n * 6 }, (_, i) => (crops[Math.floor(i / 6) * 12] ?? 0) + (i % 6) / 10),
        n,
      );
    },
    embedsFrom: (data: Float32Array, n: number) => embeds(data.slice(), n),
  };
}
/** The crops of that model; nothing is kept that nobody holds. */
function cropsOf(model: ReturnType<typeof fakeModel>, cache?: CropCache): Crops {
  return new Crops({ model, turns: new Turns(), unusedBytes: 0, cache: cache && (async () => cache) });
}
async function* crops(...first: number[]) {
  for (const value of first) yield new Uint8Array(12).fill(value);
}
const firsts = (encoded: EncodedCrop[]) => encoded.map(({ embeds, crop }) => embeds.toFloat32()[crop * 6]);
const cropCache = () => ({ store: new EmbeddingCache(folder, 1e6), weights: "w", arithmetic: "a" });

test("every crop in its place, however they are batched", async () => {
  const model = fakeModel(1);
  const reports: number[] = [];
  const encoded = await encodeCrops(cropsOf(model), crops(5, 1, 4, 2, 3), 5, { onCrop: () => reports.push(1) });
  expect(firsts(encoded)).toEqual([5, 1, 4, 2, 3]);
  expect(reports.reduce((a, b) => a + b)).toBe(5);
  expect(model.seen[0]).toBe(1);
});

test("crops that the cache knows are not run, and give the same values", async () => {
  const first = fakeModel();
  await encodeCrops(cropsOf(first, cropCache()), crops(1, 2, 3), 3);
  const second = fakeModel();
  const encoded = await encodeCrops(cropsOf(second, cropCache()), crops(9, 2, 3, 8, 1), 5);
  expect(firsts(encoded)).toEqual([9, 2, 3, 8, 1]);
  expect(second.seen.reduce((a, b) => a + b)).toBe(2);
  const without = await encodeCrops(cropsOf(fakeModel()), crops(9, 2, 3, 8, 1), 5);
  const values = (list: EncodedCrop[]) =>
    list.map(({ embeds, crop }) => embeds.toFloat32().slice(crop * 6, crop * 6 + 6));
  expect(values(encoded)).toEqual(values(without));
});

test("pixels do not pile up while the model works", async () => {
  let made = 0;
  let most = 0;
  let done = 0;
  async function* counted() {
    for (let i = 0; i < 60; i++) {
      made++;
      most = Math.max(most, made - done);
      yield new Uint8Array(12).fill(i);
    }
  }
  await encodeCrops(cropsOf(fakeModel(40)), counted(), 60, {
    onCrop: () => {
      done++;
    },
  });
  expect(most).toBeLessThanOrEqual(16 + 4 + 1);
});

test("on an error nothing stays in native memory", async () => {
  const model = fakeModel();
  await expect(encodeCrops(cropsOf(model), crops(1, 2, 66, 4), 4)).rejects.toThrow("encode failed");
  expect(model.alive.size).toBe(0);
  async function* broken() {
    yield new Uint8Array(12);
    throw new Error("decode failed");
  }
  await expect(encodeCrops(cropsOf(model), broken(), 2)).rejects.toThrow("decode failed");
  await expect(encodeCrops(cropsOf(model), crops(1), 2)).rejects.toThrow("1 crops came where 2 were expected");
  expect(model.alive.size).toBe(0);
});

test("a stop is heard", async () => {
  const model = fakeModel();
  const stop = new AbortController();
  const onCrop = () => stop.abort();
  await expect(encodeCrops(cropsOf(model), crops(1, 2, 3), 3, { signal: stop.signal, onCrop })).rejects.toMatchObject({
    name: "AbortError",
  });
  expect(model.alive.size).toBe(0);
});

test("while a call runs, how far it is is told, in crops", async () => {
  const parts: number[] = [];
  const done: number[] = [];
  const options = { onPart: (part: number) => parts.push(part), onCrop: () => done.push(parts.length) };
  const encoded = await encodeCrops(cropsOf(fakeModel(300)), crops(1, 2), 2, options);
  for (const crop of encoded) crop.release();
  // The model of this file is always at a quarter of its call, which has one crop until its speed is known.
  expect(new Set(parts)).toEqual(new Set([0.25]));
  expect(parts.length).toBeGreaterThanOrEqual(2);
  expect(done[0]).toBeLessThan(done[1] as number);
});

test("who stopped in the middle of a call is told nothing more of it", async () => {
  const stop = new AbortController();
  let told = 0;
  const onPart = () => {
    told++;
    stop.abort();
  };
  const model = fakeModel(900);
  await expect(encodeCrops(cropsOf(model), crops(1), 1, { signal: stop.signal, onPart })).rejects.toMatchObject({
    name: "AbortError",
  });
  await new Promise((resolve) => setTimeout(resolve, 700)); // the call goes on, and two more reports would come
  expect(told).toBe(1);
});

test("an error of who is told how far a call is ends what he asked, and nothing else", async () => {
  const model = fakeModel(400);
  const all = cropsOf(model);
  const onPart = () => {
    throw new Error("the window is closed");
  };
  const failing = encodeCrops(all, crops(1, 2), 2, { onPart });
  const other = encodeCrops(all, crops(1), 1);
  await expect(failing).rejects.toThrow("the window is closed");
  const encoded = await other;
  expect(firsts(encoded)).toEqual([1]);
  for (const crop of encoded) crop.release();
  expect(model.alive.size).toBe(0);
});
