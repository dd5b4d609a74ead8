/** The loop of all commands that work on many rows. */
import { unlessAborted } from "../abort.js";

export interface LoopOptions {
  /** Rows that have a place (see runRows) at the same time. */
  concurrency: number;
  /** Rows that are begun before they get a place, so that what they need is read while others have theirs; default 0. */
  ahead?: number;
  /** Emit lines in the order of their rows. Those that wait for an earlier one are held, a few for each place. */
  ordered?: boolean;
  /** Once it is aborted no further row is begun, and those under way are finished. */
  signal?: AbortSignal | undefined;
}

/** Lines that wait for an earlier one at most, for each row that is under way. */
const heldPerRow = 4;

/**
 * Works on rows as they come, several at the same time, and emits a line for each. Rows are begun in their order. `work` calls `place` when it has
 * read what it needs, and waits for it: a row has one of `concurrency` places from then on until it is done. A row's own failure should become its
 * line; what `work` or `emit` throws ends the loop like an aborted signal, and is thrown again once all rows under way are done.
 */
export async function runRows<R, L>(
  rows: Iterable<R> | AsyncIterable<R>,
  work: (row: R, place: () => Promise<void>) => Promise<L>,
  emit: (line: L, row: R) => void,
  { concurrency, ahead = 0, ordered = false, signal }: LoopOptions,
): Promise<void> {
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const places = new Places(concurrency);
  const begun = concurrency + ahead;
  const order = new Order<() => void>(ordered ? heldPerRow * begun : Number.POSITIVE_INFINITY);
  const source = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  let number = 0;
  let reading: Promise<unknown> = Promise.resolve();
  /** The next row with its number. One reader at a time, so that a source need not expect several. */
  const next = (): Promise<{ row: R; at: number } | undefined> => {
    const read = reading.then(async () => {
      const at = number;
      await order.room(at, stop);
      stop.throwIfAborted();
      const { done, value } = await unlessAborted(Promise.resolve(source.next()), stop, () => {});
      if (done) return undefined;
      number++;
      return { row: value, at };
    });
    reading = read.catch(() => {});
    return read.catch((error) => {
      if (stop.aborted) return undefined;
      throw error;
    });
  };
  const worker = async (): Promise<void> => {
    try {
      for (let one = await next(); one; one = await next()) {
        const { row, at } = one;
        const line = await places.during((place) => work(row, place));
        if (ordered) for (const ready of order.add(at, () => emit(line, row))) ready();
        else emit(line, row);
      }
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: begun }, worker));
  const error = ended.find((end) => end.status === "rejected");
  try {
    for (const ready of order.rest()) ready();
  } catch (other) {
    if (!error) throw other;
  }
  if (error) throw error.reason;
}

/** Places that rows have while they are worked on; first come, first served. */
class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async during<T>(work: (place: () => Promise<void>) => Promise<T>): Promise<T> {
    let taken = false;
    try {
      return await work(async () => {
        if (taken) return;
        if (this.#free > 0) this.#free--;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
        taken = true;
      });
    } finally {
      if (taken) this.#give();
    }
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/** Puts what is done into the order of its numbers, and lets nobody be more than `size` ahead. */
class Order<T> {
  readonly #size: number;
  readonly #held = new Map<number, T>();
  #next = 0;
  #moved: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Waits until `number` is less than `size` ahead of the first one that is missing. */
  async room(number: number, signal: AbortSignal): Promise<void> {
    while (number >= this.#next + this.#size) {
      const moved = new Promise<void>((resolve) => this.#moved.push(resolve));
      await unlessAborted(moved, signal, () => {});
    }
  }

  /** Adds one, and returns all that are ready now. */
  add(number: number, item: T): T[] {
    this.#held.set(number, item);
    const ready: T[] = [];
    for (let first = this.#held.get(this.#next); first !== undefined; first = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++);
      ready.push(first);
    }
    for (const moved of this.#moved.splice(0)) moved();
    return ready;
  }

  /** Those that wait for one that will not come, in order. */
  rest(): T[] {
    return [...this.#held].sort(([a], [b]) => a - b).map(([, item]) => item);
  }
}
