/** Drafts ids for speculative decoding, which may follow the sequence that it looks at. A good draft makes an answer faster; a bad one never changes it. */
export interface Drafter {
  /** Drafts at most `max` ids. */
  propose(max: number): number[];
  /** Notes how many ids of a draft were accepted. */
  accept(drafted: number, accepted: number): void;
}

/** Length of the n-gram that must recur before its continuation is drafted: two ids agree by chance too often, four miss names. */
const matchLength = 3;
export const maxDraft = 10;

/**
 * Prompt lookup decoding: drafts the ids that followed the last occurrence of the latest n-gram, in the prompt or the answer. Drafts grow
 * while they are accepted and shrink when they are not, so that text without repetitions costs no more than the look-up.
 */
export class PromptLookup implements Drafter {
  readonly #ids: readonly number[];
  /** The number of ids that were looked at. */
  #seen = 0;
  /** The index at which each n-gram last ended. */
  readonly #ends = new Map<string, number>();
  /** The index at which the current n-gram ended the time before. */
  #previous: number | undefined;
  #length = 3;
  /** Drafts to skip after one that was wholly rejected. */
  #pause = 0;
  readonly #never: ReadonlySet<number>;

  /**
   * @param ids prompt and answer; ids that are appended later are seen, too
   * @param never ids that are not drafted
   */
  constructor(ids: readonly number[], never: ReadonlySet<number>) {
    this.#ids = ids;
    this.#never = never;
  }

  propose(max: number): number[] {
    this.#look();
    if (this.#previous === undefined) return [];
    if (this.#pause > 0) {
      this.#pause--;
      return [];
    }
    const found = this.#ids.slice(this.#previous, this.#previous + Math.min(this.#length, max));
    const end = found.findIndex((id) => this.#never.has(id));
    return end < 0 ? found : found.slice(0, end);
  }

  accept(drafted: number, accepted: number): void {
    if (accepted === drafted) {
      this.#length = Math.min(maxDraft, this.#length * 2);
    } else {
      this.#length = Math.max(2, accepted + 1);
      if (accepted === 0) this.#pause = 4;
    }
  }

  #look(): void {
    while (this.#seen < this.#ids.length) {
      this.#seen++;
      if (this.#seen < matchLength) continue;
      const key = this.#ids.slice(this.#seen - matchLength, this.#seen).join();
      this.#previous = this.#ends.get(key);
      this.#ends.set(key, this.#seen);
    }
  }
}
