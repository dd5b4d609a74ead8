import type { NativeEmbeds, NativeModel } from "../native/binding.js";
import { nativeCall, nativeSync } from "../native/native.js";
import { EmbeddingCache } from "./cache.js";
import { prefetch } from "./prefetch.js";

/** The embeddings of one crop: crop `crop` of `embeds`. */
export interface EncodedCrop {
  embeds: NativeEmbeds;
  crop: number;
}

/** The cache of embeddings, and what they depend on besides the pixels. */
export interface CropCache {
  store: EmbeddingCache;
  weights: string;
  arithmetic: string;
}

export interface EncodeOptions {
  cache?: CropCache | undefined;
  signal?: AbortSignal | undefined;
  /** Called when `crops` more are done; `ms` is the time that the vision tower took for them, 0 when the cache had them. */
  onCrops?: ((crops: number, ms: number) => void) | undefined;
}

/**
 * Crops of one call: as many as take about this long, so that progress moves and a stop is soon heard, and at most `maxBatch`. How many of
 * them go through the layers together is another question, which the engine answers (kBatchRows in native/model/vision.cpp).
 */
const targetMs = 500;
const maxBatch = 16;

/** Crops that may wait as pixels, decoded and cut, while the engine works. */
const cropsAhead = 4;

/**
 * Runs the vision tower over `n` crops [cropSize, cropSize, 3] that arrive one by one, while the next are decoded and cut; at most one batch
 * and {@link cropsAhead} more are held as pixels. Crops that the cache has are not run. How crops are split into calls does not change
 * their embeddings. On an error, the embeddings that were computed are disposed of.
 */
export async function encodeCrops(
  model: Pick<NativeModel, "config" | "encode" | "embedsFrom">,
  crops: AsyncIterable<Uint8Array>,
  n: number,
  options: EncodeOptions = {},
): Promise<EncodedCrop[]> {
  const { cache, signal, onCrops } = options;
  const shape = { tokens: model.config.cropTokens, hiddenSize: model.config.hiddenSize };
  const encoded: EncodedCrop[] = new Array(n);
  let pending: { at: number; pixels: Uint8Array; key: string | undefined }[] = [];
  let batch = 1;
  const length = shape.tokens * shape.hiddenSize;
  let memory = new Float32Array(0); // holds embeddings on their way to or from the cache
  const room = (n: number): Float32Array => {
    if (memory.length < n * length) memory = new Float32Array(n * length);
    return memory.subarray(0, n * length);
  };
  const run = async (): Promise<void> => {
    signal?.throwIfAborted();
    const part = pending;
    pending = [];
    const started = performance.now();
    const embeds = await nativeCall(model.encode(joined(part.map(({ pixels }) => pixels)), part.length));
    const ms = performance.now() - started;
    part.forEach(({ at }, crop) => {
      encoded[at] = { embeds, crop };
    });
    batch = Math.max(1, Math.min(maxBatch, Math.floor((targetMs * part.length) / ms)));
    onCrops?.(part.length, ms);
    if (!cache) return;
    const values = embeds.toFloat32(room(part.length));
    for (const [i, { key }] of part.entries())
      if (key !== undefined) await cache.store.put(key, shape, values.subarray(i * length, (i + 1) * length));
  };
  try {
    let at = 0;
    for await (const pixels of prefetch(crops, cropsAhead)) {
      signal?.throwIfAborted();
      const key = cache && EmbeddingCache.key(cache.weights, cache.arithmetic, pixels);
      const known = cache && key !== undefined ? await cache.store.get(key, shape, room(1)) : null;
      if (known) {
        encoded[at] = { embeds: nativeSync(() => model.embedsFrom(known, 1)), crop: 0 };
        onCrops?.(1, 0);
      } else {
        pending.push({ at, pixels, key });
        if (pending.length >= batch) await run();
      }
      at++;
    }
    if (pending.length > 0) await run();
    if (at !== n) throw new Error(`${at} crops came where ${n} were expected`);
    return encoded;
  } catch (error) {
    disposeCrops(encoded.filter((crop) => crop !== undefined));
    throw error;
  }
}

/** Disposes of the embeddings of crops, which may share them. */
export function disposeCrops(crops: readonly EncodedCrop[]): void {
  for (const embeds of new Set(crops.map((crop) => crop.embeds))) embeds.dispose();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
