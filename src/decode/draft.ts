/** Proposes ids that may come next; a good guess makes an answer faster, a bad one never changes it. */
export interface Drafter {
  /** Up to `most` ids that may follow `ids`. */
  propose(most: number): number[];
  /** Ids that entered the sequence. */
  append(ids: readonly number[]): void;
  /** How many of a proposal were right. */
  judge(proposed: number, right: number): void;
}

/** Ids that must repeat for what followed them to be proposed: two agree by chance too often, four miss names. */
const matchLength = 3;
const longest = 10;

/**
 * Prompt lookup: what followed the last occurrence of the latest ids, in the prompt or the answer. Proposals grow while they are right and
 * shrink when they are not, so that text which repeats nothing pays nothing but the look-up.
 */
export class PromptLookup implements Drafter {
  private readonly ids: number[] = [];
  /** Where each run of `matchLength` ids last ended. */
  private readonly ends = new Map<string, number>();
  /** The place before that of the run the ids end with now. */
  private previous: number | undefined;
  private length = 3;
  /** Proposals to leave out after a wrong one. */
  private pause = 0;

  constructor(
    prompt: readonly number[],
    private readonly never: ReadonlySet<number>,
  ) {
    this.append(prompt);
  }

  append(ids: readonly number[]): void {
    for (const id of ids) {
      this.ids.push(id);
      if (this.ids.length < matchLength) continue;
      const key = this.ids.slice(-matchLength).join();
      this.previous = this.ends.get(key);
      this.ends.set(key, this.ids.length);
    }
  }

  propose(most: number): number[] {
    if (this.previous === undefined) return [];
    if (this.pause > 0) {
      this.pause--;
      return [];
    }
    const found = this.ids.slice(this.previous, this.previous + Math.min(this.length, most));
    const end = found.findIndex((id) => this.never.has(id));
    return end < 0 ? found : found.slice(0, end);
  }

  judge(proposed: number, right: number): void {
    if (right === proposed) {
      this.length = Math.min(longest, this.length * 2);
    } else {
      this.length = Math.max(2, right + 1);
      if (right === 0) this.pause = 4;
    }
  }
}
