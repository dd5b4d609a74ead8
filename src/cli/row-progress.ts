import { duration } from "./format.js";
import type { Output, Progress } from "./output.js";

/** Without a terminal a line is written this often, in milliseconds. */
const lineEvery = 30_000;

/** The progress of work on many rows, on stderr: how many are done, rows a second, time left. */
export class RowProgress {
  readonly #out: Output;
  #total: number | undefined;
  #before: number;
  #started = performance.now();
  #shown: Progress | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #done = 0;
  #failed = 0;

  /** @param total undefined while it isn't known; @param before how many of them were done by an earlier run */
  constructor(out: Output, total: number | undefined, before: number) {
    this.#out = out;
    this.#total = total;
    this.#before = before;
  }

  /** Shows the progress from now on, when the first row is about to be worked on. */
  begin(): void {
    this.#started = performance.now();
    this.#shown = this.#out.progress(this.text);
    if (!process.stderr.isTTY) this.#timer = setInterval(() => this.#out.note(this.text), lineEvery).unref();
  }

  /** "12 of 500 rows (1 failed), 0.42 rows/s, 20 min left" */
  get text(): string {
    const rate = this.#done / Math.max(1e-3, (performance.now() - this.#started) / 1000);
    const all = this.#before + this.#done;
    const left = this.#total === undefined ? 0 : this.#total - all;
    const parts = [
      `${all}${this.#total === undefined ? "" : ` of ${this.#total}`} rows${this.#failed > 0 ? ` (${this.#failed} failed)` : ""}`,
      this.#done > 0 ? `${rate < 10 ? rate.toPrecision(2) : rate.toFixed(0)} rows/s` : "",
      this.#done > 0 && left > 0 ? `${duration(left / rate)} left` : "",
    ];
    return parts.filter((part) => part !== "").join(", ");
  }

  /** Tells how many rows there are, once that is known. */
  set total(total: number) {
    this.#total = total;
  }

  /** Notes that a row was done by an earlier run. */
  skipped(): void {
    this.#before++;
  }

  /** Notes that one more row is done; `error` says why it failed. */
  row(error?: string): void {
    this.#done++;
    if (error !== undefined) this.#failed++;
    this.#shown?.update(this.text);
  }

  /** Removes the line and leaves a last one; twice is fine. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#shown?.stop();
    this.#out.note(this.text);
  }
}
