/**
 * Finds stop strings in streamed text. Text that may be the beginning of a stop string is held back until that is decided, so that nothing
 * which was streamed has to be taken back.
 */
export class StopStrings {
  #held = "";
  readonly #stops: readonly string[];

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** Adds text and returns what is certain; `stopped` tells that a stop string is complete and that `text` ends before it. */
  push(text: string): { text: string; stopped: boolean } {
    this.#held += text;
    const found = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      const last = this.#held.slice(0, Math.min(...found));
      this.#held = "";
      return { text: last, stopped: true };
    }
    const keep = this.#undecided();
    const sure = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(this.#held.length - keep);
    return { text: sure, stopped: false };
  }

  /** Returns the text that is still held back; call it when no more text comes. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Length of the longest suffix of the held text that is a prefix of a stop string. */
  #undecided(): number {
    let longest = 0;
    for (const stop of this.#stops)
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--)
        if (stop.startsWith(this.#held.slice(this.#held.length - n))) longest = n;
    return longest;
  }
}
