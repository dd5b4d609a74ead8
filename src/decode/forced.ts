import type { NativeMatcher } from "../native/constraint.js";
import { nativeSync } from "../native/native.js";
import { type Drafter, maxDraft } from "./draft.js";

/** Bytes that are looked ahead at most: more than a draft's tokens usually have. */
const maxBytes = 64;

/**
 * Drafts the text that must come next in an answer that follows a grammar, such as the names of properties, as the tokenizer would cut it. It is a guess
 * of the tokens, not of the text: the sampler may draw others with the same bytes. Where there is a choice, another drafter may guess.
 */
export class ForcedText implements Drafter {
  readonly #matcher: NativeMatcher;
  readonly #encode: (text: string) => number[];
  readonly #other: Drafter | undefined;
  /** Whether the last draft was the other's. */
  #others = false;

  constructor(matcher: NativeMatcher, encode: (text: string) => number[], other?: Drafter) {
    this.#matcher = matcher;
    this.#encode = encode;
    this.#other = other;
  }

  propose(max: number): number[] {
    const bytes = nativeSync(() => this.#matcher.forced(maxBytes));
    // The last token may go on into what is not known yet.
    const ids = bytes.length > 1 ? this.#encode(wholeCharacters(bytes)).slice(0, -1) : [];
    this.#others = ids.length === 0;
    return this.#others ? (this.#other?.propose(max) ?? []) : ids.slice(0, Math.min(max, maxDraft));
  }

  accept(drafted: number, accepted: number): void {
    if (this.#others) this.#other?.accept(drafted, accepted);
  }
}

/** The text of bytes without a character that is cut off; empty when they begin within one. */
function wholeCharacters(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: true });
  return text.includes("\ufffd") ? "" : text;
}
