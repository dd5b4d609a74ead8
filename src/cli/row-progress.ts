import { duration } from "./format.js";
import type { Output, Progress } from "./output.js";

/** Without a terminal a line is written this often, in milliseconds. */
const lineEvery = 30_000;

/** The progress of work on many rows, on stderr: how many are done, rows a second, time left. */
export class RowProgress {
  readonly #out: Output;
  readonly #total: number;
  readonly #before: number;
  readonly #started = performance.now();
  readonly #shown: Progress;
  readonly #timer: NodeJS.Timeout | undefined;
  #done = 0;
  #failed = 0;

  /** @param before how many of `total` rows were done by an earlier run */
  constructor(out: Output, total: number, before: number) {
    this.#out = out;
    this.#total = total;
    this.#before = before;
    this.#shown = out.progress(this.text);
    if (!process.stderr.isTTY) this.#timer = setInterval(() => out.note(this.text), lineEvery).unref();
  }

  /** "12 of 500 rows (1 failed), 0.42 rows/s, 20 min left" */
  get text(): string {
    const rate = this.#done / Math.max(1e-3, (performance.now() - this.#started) / 1000);
    const failed = this.#failed > 0 ? ` (${this.#failed} failed)` : "";
    const left = this.#total - this.#before - this.#done;
    const pace =
      this.#done > 0 ? `, ${rate.toPrecision(2)} rows/s${left > 0 ? `, ${duration(left / rate)} left` : ""}` : "";
    return `${this.#before + this.#done} of ${this.#total} rows${failed}${pace}`;
  }

  /** Notes that one more row is done; `error` says why it failed. */
  row(error?: string): void {
    this.#done++;
    if (error !== undefined) this.#failed++;
    this.#shown.update(this.text);
  }

  /** Removes the line and leaves a last one. */
  stop(): void {
    clearInterval(this.#timer);
    this.#shown.stop();
    this.#out.note(this.text);
  }
}
