import { charsOf } from "./bytes.js";

/** Qwen2's pre-tokenizer. It has White_Space for \s, which means other characters in JavaScript, and spells out (?i:), which Node 22 lacks. */
const words =
  /'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Splits normalised text into the words that are tokenized one by one. */
export function splitWords(text: string): string[] {
  return text.match(words) ?? [];
}

const cachedWords = 1 << 16;
const cachedLength = 64;
const positions = 2 ** 32;

/** Encodes words by byte-pair encoding with a vocabulary and ranked merges. */
export class Bpe {
  readonly #cache = new Map<string, readonly number[]>();

  readonly #vocab: ReadonlyMap<string, number>;
  readonly #ranks: ReadonlyMap<string, number>;

  /** `vocab` maps tokens, in the byte alphabet, to ids and holds every byte; `ranks` maps "left right" to the rank of that merge. */
  constructor(vocab: ReadonlyMap<string, number>, ranks: ReadonlyMap<string, number>) {
    this.#vocab = vocab;
    this.#ranks = ranks;
  }

  encodeWord(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known) return known;
    const ids = this.#merge(charsOf(word)).map((symbol) => this.#vocab.get(symbol) as number);
    if (word.length <= cachedLength) {
      if (this.#cache.size >= cachedWords) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  /**
   * Merges adjacent symbols, lowest rank first and leftmost among equals, until no merge is left. A linked list and a heap keep the time near
   * linear, so that a word of a million letters is no attack.
   */
  #merge(chars: string): string[] {
    const symbols = Array.from(chars);
    const n = symbols.length;
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    const heap = new Heap();
    const push = (i: number) => {
      const rank = this.#rank(symbols, i, next[i] as number);
      if (rank !== undefined) heap.push(rank * positions + i);
    };
    for (let i = 0; i + 1 < n; i++) push(i);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const i = top % positions;
      const right = next[i] as number;
      // An entry is stale if either side has changed since, since then the pair has another rank.
      if (!symbols[i] || this.#rank(symbols, i, right) !== Math.floor(top / positions)) continue;
      symbols[i] = (symbols[i] as string) + symbols[right];
      symbols[right] = "";
      const after = next[right] as number;
      next[i] = after;
      if (after < n) previous[after] = i;
      push(i);
      if ((previous[i] as number) >= 0) push(previous[i] as number);
    }
    return symbols.filter((symbol) => symbol);
  }

  #rank(symbols: readonly string[], left: number, right: number): number | undefined {
    if (right >= symbols.length) return undefined;
    const rank = this.#ranks.get(`${symbols[left]} ${symbols[right]}`);
    // A merge whose result is no token has no id.
    return rank !== undefined && this.#vocab.has(`${symbols[left]}${symbols[right]}`) ? rank : undefined;
  }
}

/** A binary heap of numbers, smallest first. */
class Heap {
  readonly #items: number[] = [];

  push(value: number): void {
    const a = this.#items;
    let i = a.length;
    a.push(value);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((a[parent] as number) <= value) break;
      a[i] = a[parent] as number;
      i = parent;
    }
    a[i] = value;
  }

  pop(): number | undefined {
    const a = this.#items;
    const top = a[0];
    const value = a.pop();
    if (value === undefined || a.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= a.length) break;
      if (child + 1 < a.length && (a[child + 1] as number) < (a[child] as number)) child++;
      if ((a[child] as number) >= value) break;
      a[i] = a[child] as number;
      i = child;
    }
    a[i] = value;
    return top;
  }
}
