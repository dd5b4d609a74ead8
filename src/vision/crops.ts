import { unlessAborted } from "../abort.js";
import type { NativeModel } from "../native/model.js";
import { nativeCall, nativeSync } from "../native/native.js";
import type { NativeEmbeds } from "../native/session.js";
import type { Turns } from "../native/turns.js";
import { type CacheEntryShape, EmbeddingCache } from "./cache.js";

/** One crop's embeddings, crop `crop` of `embeds`, until they are released. Crops of the same pixels have the same key and are the same. */
export interface EncodedCrop {
  readonly key: string;
  readonly embeds: NativeEmbeds;
  readonly crop: number;
  /** Twice is fine. */
  release(): void;
}

/** Where embeddings are looked up and kept, and what besides the pixels they depend on. */
export interface CropCache {
  store: EmbeddingCache;
  weights: string;
  arithmetic: string;
}

export interface HoldOptions {
  signal?: AbortSignal | undefined;
  /** Crops of one tenant are not found by others. */
  tenant?: string | undefined;
  /**
   * Called several times a second while the vision tower runs, until hold() ends: the share of the call with this crop that is done, from 0 to 1. It
   * must not throw.
   */
  onShare?: ((share: number) => void) | undefined;
}

/** The embeddings of crops in memory, in bytes. */
export interface CropUse {
  bytes: number;
  /** Those of them that nobody holds, and their bound. */
  unused: { bytes: number; limit: number };
}

export interface CropsOptions {
  model: Pick<NativeModel, "config" | "encode" | "encodedShare" | "embedsFrom">;
  /** The turns of all who call the engine. */
  turns: Turns;
  /** Embeddings of crops seen before, by any process; absent: every crop is run. */
  cache?: (() => Promise<CropCache | undefined>) | undefined;
  /** Bytes of embeddings to keep that nobody holds. */
  unusedBytes?: number;
}

/** The embeddings of one call of the vision tower, or from the disk. They are disposed of together. */
interface Made {
  embeds: NativeEmbeds;
  entries: readonly Entry[];
}

interface Entry {
  key: string;
  pixels: Uint8Array | undefined;
  holders: number;
  made?: { by: Made; crop: number; ms: number };
  ready: Promise<void> | undefined;
  /** Those who want to know how far its call is. */
  watchers: Set<(share: number) => void>;
}
interface Pending {
  entry: Entry;
  cache: CropCache | undefined;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Crops of one call while nobody else waits: as many as take about this long, so that progress moves and a stop is soon heard, and at most
 * `maxBatch`. How many of them go through the layers together is another question, which the engine answers (kBatchRows in
 * native/model/vision.cpp).
 */
const targetMs = 500;
const maxBatch = 16;
/** Milliseconds between two reports of how far a call is. */
const shareMs = 250;

/**
 * The crops of all chats. Each is encoded once, however many hold it, and comes from the cache on disk if it is there. While others wait for the
 * engine a call encodes one crop, so that a long clip delays them by no more than that. How crops are split into calls does not change
 * their embeddings.
 */
export class Crops {
  readonly #model: CropsOptions["model"];
  readonly #turns: Turns;
  readonly #cache: CropsOptions["cache"];
  readonly #unusedBytes: number;
  readonly #shape: CacheEntryShape;
  readonly #entries = new Map<string, Entry>();
  /** Embeddings of which nobody holds a crop, the least recently used first. */
  readonly #unused = new Set<Made>();
  #bytes = 0;
  #unusedSum = 0;
  #pending: Pending[] = [];
  #asked = false;
  #batch = 1;
  #disk: Promise<unknown> = Promise.resolve();
  /** The values of crops on their way to the disk or from it. */
  #memory = new Float32Array(0);
  #disposed = false;

  constructor({ model, turns, cache, unusedBytes = 128 * 2 ** 20 }: CropsOptions) {
    this.#model = model;
    this.#turns = turns;
    this.#cache = cache;
    this.#unusedBytes = unusedBytes;
    this.#shape = { tokens: model.config.cropTokens, hiddenSize: model.config.hiddenSize };
  }

  get use(): CropUse {
    return { bytes: this.#bytes, unused: { bytes: this.#unusedSum, limit: this.#unusedBytes } };
  }

  /** How many crops a client should ask for at a time. */
  get batch(): number {
    return this.#batch;
  }

  /** Encodes a crop [s, s, 3] if it is not known. `ms` is what the vision tower took for it, 0 when it was known. */
  async hold(
    pixels: Uint8Array,
    { signal, tenant = "", onShare }: HoldOptions = {},
  ): Promise<{ crop: EncodedCrop; ms: number }> {
    const cache = await this.#cache?.();
    signal?.throwIfAborted();
    if (this.#disposed) throw new Error("the crops were disposed of");
    const arithmetic = tenant === "" ? (cache?.arithmetic ?? "") : `${cache?.arithmetic ?? ""} for ${tenant}`;
    const key = EmbeddingCache.key(cache?.weights ?? "", arithmetic, pixels);
    const known = this.#entries.has(key);
    const entry: Entry = this.#entries.get(key) ?? { pixels, key, holders: 0, ready: undefined, watchers: new Set() };
    this.#entries.set(key, entry);
    entry.holders++;
    if (onShare && !entry.made) entry.watchers.add(onShare);
    entry.ready ??= this.#make(entry, cache);
    if (entry.made && this.#unused.delete(entry.made.by)) this.#unusedSum -= entry.made.by.embeds.bytes;
    let held = true;
    const release = (): void => {
      if (onShare) entry.watchers.delete(onShare);
      if (held) this.#release(entry);
      held = false;
    };
    await unlessAborted(entry.ready as Promise<void>, signal, release);
    const { by, crop, ms } = entry.made as NonNullable<Entry["made"]>;
    return { crop: { key, embeds: by.embeds, crop, release }, ms: known ? 0 : ms };
  }

  /** Frees all embeddings, also those that are held. */
  dispose(): void {
    this.#disposed = true;
    for (const { reject } of this.#pending.splice(0)) reject(new Error("the crops were disposed of"));
    for (const { made } of this.#entries.values()) made?.by.embeds.dispose();
    this.#entries.clear();
    this.#unused.clear();
    this.#bytes = this.#unusedSum = 0;
  }

  async #make(entry: Entry, cache: CropCache | undefined): Promise<void> {
    try {
      const found = cache && (await this.#look(entry.key, cache));
      if (found) this.#encoded([entry], found, 0);
      else if (entry.holders > 0)
        await new Promise<void>((resolve, reject) => {
          this.#pending.push({ entry, cache, resolve, reject });
          this.#wake();
        });
    } finally {
      if (!entry.made) this.#entries.delete(entry.key);
    }
  }

  #wake(): void {
    if (this.#asked || this.#pending.length === 0) return;
    this.#asked = true;
    void this.#turns
      .take(this, (alone) => this.#encode(alone))
      .finally(() => {
        this.#asked = false;
        this.#wake();
      });
  }

  async #encode(alone: boolean): Promise<void> {
    const part = this.#pending.splice(0, alone ? this.#batch : 1);
    if (part.length === 0) return;
    const entries = part.map(({ entry }) => entry);
    const started = performance.now();
    const telling = setInterval(() => {
      for (const { watchers } of entries) for (const report of watchers) report(this.#model.encodedShare);
    }, shareMs).unref();
    try {
      const pixels = joined(entries.map((entry) => entry.pixels as Uint8Array));
      const embeds = await nativeCall(() => this.#model.encode(pixels, part.length));
      const ms = (performance.now() - started) / part.length;
      this.#batch = Math.max(1, Math.min(maxBatch, Math.floor(targetMs / ms)));
      // The next call need not wait for the disk; an answer does, or the process might end before. The write holds the crops, so that they are not
      // disposed of before it; a cache that can't be written is no reason to fail.
      for (const entry of entries) entry.holders++;
      this.#encoded(entries, embeds, ms);
      void this.#keep(part, embeds)
        .catch(() => {})
        .finally(() => {
          for (const entry of entries) this.#release(entry);
          for (const { resolve } of part) resolve();
        });
    } catch (error) {
      for (const { reject } of part) reject(error);
    } finally {
      clearInterval(telling);
    }
  }

  #encoded(entries: readonly Entry[], embeds: NativeEmbeds, ms: number): void {
    if (this.#disposed) {
      embeds.dispose();
      throw new Error("the crops were disposed of");
    }
    const by = { embeds, entries };
    this.#bytes += embeds.bytes;
    for (const [crop, entry] of entries.entries()) {
      entry.made = { by, crop, ms };
      entry.pixels = undefined;
      entry.watchers.clear();
    }
    this.#let(by);
  }

  #release(entry: Entry): void {
    entry.holders--;
    if (entry.holders > 0 || this.#disposed) return;
    const queued = this.#pending.findIndex((pending) => pending.entry === entry);
    if (entry.made) this.#let(entry.made.by);
    else if (queued >= 0) {
      this.#pending.splice(queued, 1);
      this.#entries.delete(entry.key);
    }
  }

  /** Lets embeddings go of which nobody holds a crop: they stay as long as there is room. */
  #let(made: Made): void {
    if (made.entries.some(({ holders }) => holders > 0)) return;
    this.#unused.add(made);
    this.#unusedSum += made.embeds.bytes;
    for (const oldest of this.#unused) {
      if (this.#unusedSum <= this.#unusedBytes) break;
      this.#unused.delete(oldest);
      const { embeds, entries } = oldest;
      this.#unusedSum -= embeds.bytes;
      this.#bytes -= embeds.bytes;
      for (const { key } of entries) this.#entries.delete(key);
      embeds.dispose();
    }
  }

  /** Embeddings of a crop that are on disk. */
  #look(key: string, cache: CropCache): Promise<NativeEmbeds | undefined> {
    return this.#onDisk(async () => {
      const values = await cache.store.get(key, this.#shape, this.#room(1));
      return values ? nativeSync(() => this.#model.embedsFrom(values, 1)) : undefined;
    });
  }

  async #keep(part: readonly Pending[], embeds: NativeEmbeds): Promise<void> {
    if (!part.some(({ cache }) => cache)) return;
    await this.#onDisk(async () => {
      if (this.#disposed) return;
      const values = embeds.toFloat32(this.#room(part.length));
      const length = values.length / part.length;
      for (const [i, { entry, cache }] of part.entries())
        await cache?.store.put(entry.key, this.#shape, values.subarray(i * length, (i + 1) * length));
    });
  }

  /** One after another, as they share the memory. */
  #onDisk<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#disk.then(work);
    this.#disk = done.catch(() => {});
    return done;
  }

  /** Memory for some crops; a new array for each would be garbage that outlives many crops. */
  #room(crops: number): Float32Array {
    const length = crops * this.#shape.tokens * this.#shape.hiddenSize;
    if (this.#memory.length < length) this.#memory = new Float32Array(length);
    return this.#memory.subarray(0, length);
  }
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
