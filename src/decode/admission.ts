import { unlessAborted } from "../abort.js";
import { MemoryError } from "../errors.js";
import { formatBytes } from "../format.js";

interface Waiting {
  bytes: number;
  admit: () => void;
  refuse: (error: Error) => void;
}

/**
 * Sets memory aside for those who come: the most that an answer can take, so that none runs out of memory on its way. Who does not fit beside
 * the others waits; first come, first served, so that a large answer is not passed by small ones for ever.
 */
export class Admission {
  readonly #measure: () => number;
  #total: number;
  #taken = 0;
  #waiting: Waiting[] = [];

  /** @param measure says how many bytes all may have together; it is asked again whenever nobody has any */
  constructor(measure: () => number) {
    this.#measure = measure;
    this.#total = measure();
  }

  /** Bytes that all may have together. */
  get total(): number {
    return this.#total;
  }

  /** Bytes that nobody has. */
  get free(): number {
    return this.total - this.#taken;
  }

  /** Waits for `bytes`. Throws MemoryError when there will never be so many, and the signal's reason when it is aborted. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#taken === 0 && this.#waiting.length === 0) this.#total = this.#measure();
    if (bytes > this.total)
      throw new MemoryError(
        `this answer takes up to ${formatBytes(bytes)} of keys and values, and all answers together have ${formatBytes(this.total)}.`,
        { of: "answer", needed: bytes, available: this.total },
      );
    let waiting: Waiting | undefined;
    const admitted = new Promise<void>((admit, refuse) => {
      waiting = { bytes, admit, refuse };
      this.#waiting.push(waiting);
      this.#admit();
    });
    await unlessAborted(admitted, signal, () => {
      const at = this.#waiting.indexOf(waiting as Waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
      else this.#taken -= bytes; // it was admitted in the same moment
      this.#admit();
    });
  }

  give(bytes: number): void {
    this.#taken -= bytes;
    this.#admit();
  }

  /** Refuses all who wait. */
  close(error: Error): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && first.bytes <= this.free; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += first.bytes;
      first.admit();
    }
  }
}
