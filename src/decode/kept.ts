import type { Sequence } from "./sequence.js";

/** Sequences kept at most; looking for a prefix reads all of them. */
const maxKept = 32;

/**
 * Sequences whose clients are gone, the least recently used first. They hold memory that nobody else wants yet, up to `limit` bytes; the latest
 * is kept whatever its size, as the next turn of a chat begins with it.
 */
export class Kept implements Iterable<Sequence> {
  readonly limit: number;
  readonly #sizeOf: (sequence: Sequence) => number;
  readonly #drop: (sequence: Sequence) => void;
  readonly #sizes = new Map<Sequence, number>();
  #bytes = 0;

  constructor(limit: number, sizeOf: (sequence: Sequence) => number, drop: (sequence: Sequence) => void) {
    this.limit = limit;
    this.#sizeOf = sizeOf;
    this.#drop = drop;
  }

  [Symbol.iterator](): IterableIterator<Sequence> {
    return this.#sizes.keys();
  }

  /** How many there are. */
  get size(): number {
    return this.#sizes.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  has(sequence: Sequence): boolean {
    return this.#sizes.has(sequence);
  }

  add(sequence: Sequence): void {
    const bytes = this.#sizeOf(sequence);
    this.#sizes.set(sequence, bytes);
    this.#bytes += bytes;
    while (this.#sizes.size > 1 && (this.#bytes > this.limit || this.#sizes.size > maxKept)) this.#dropOldest();
  }

  /** Takes one out; its memory is the caller's from now on. */
  take(sequence: Sequence): void {
    this.#bytes -= this.#sizes.get(sequence) ?? 0;
    this.#sizes.delete(sequence);
  }

  /** Notes that one was of use. */
  touch(sequence: Sequence): void {
    const bytes = this.#sizes.get(sequence);
    if (bytes === undefined) return;
    this.#sizes.delete(sequence);
    this.#sizes.set(sequence, bytes);
  }

  /** Drops the oldest until the rest has at most `bytes`. */
  shrink(bytes: number): void {
    while (this.#bytes > bytes && this.#sizes.size > 0) this.#dropOldest();
  }

  #dropOldest(): void {
    const [oldest] = this.#sizes.keys();
    if (!oldest) return;
    this.take(oldest);
    this.#drop(oldest);
  }
}
