/**
 * Stop strings over streamed text. Text that may still turn out to be the beginning of a stop string is held back until it is decided, so
 * what was given out never has to be taken back.
 */
export class StopStrings {
  private held = "";
  private readonly stops: readonly string[];

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== "");
  }

  /** The text that is certain by now; `stopped` when a stop string was completed (what precedes it is the last text). */
  push(text: string): { text: string; stopped: boolean } {
    this.held += text;
    const found = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      const last = this.held.slice(0, Math.min(...found));
      this.held = "";
      return { text: last, stopped: true };
    }
    const keep = this.undecided();
    const sure = this.held.slice(0, this.held.length - keep);
    this.held = this.held.slice(this.held.length - keep);
    return { text: sure, stopped: false };
  }

  /** What was held back, when nothing more comes. */
  end(): string {
    const rest = this.held;
    this.held = "";
    return rest;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private undecided(): number {
    let longest = 0;
    for (const stop of this.stops)
      for (let n = Math.min(stop.length - 1, this.held.length); n > longest; n--)
        if (stop.startsWith(this.held.slice(this.held.length - n))) longest = n;
    return longest;
  }
}
