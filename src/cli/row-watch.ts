import { onInterrupt } from "../cleanup.js";
import { ExitCode, RowsError, UserError } from "../errors.js";
import { takeInterrupt } from "./interrupt.js";
import type { Output } from "./output.js";
import { RowProgress } from "./row-progress.js";

/** Failures that are told as they happen; the results file has all. */
const toldFailures = 5;

export interface WatchOptions {
  /** Rows in all; undefined while that isn't known. */
  total: number | undefined;
  /** Rows that were done by an earlier run. */
  before?: number;
  /** The run stops after so many failures. */
  maxErrors?: number | undefined;
  /** Says in a sentence what becomes of the rest when the run is interrupted. */
  later: string;
}

/** Watches over work on many rows: its progress, its failures, and when it stops early (Ctrl-C, too many failures). */
export class RowWatch {
  readonly progress: RowProgress;
  readonly #out: Output;
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #release: () => void;
  readonly #failures: string[] = [];
  #rows = 0;
  #interrupted = false;

  constructor(out: Output, options: WatchOptions) {
    this.#out = out;
    this.#options = options;
    this.progress = new RowProgress(out, options.total, options.before ?? 0);
    const forget = onInterrupt(() => {
      this.progress.stop();
      if (this.#interrupted) out.note(options.later);
    });
    const giveBack = takeInterrupt(() => {
      // The next Ctrl-C is not taken, and ends the process.
      giveBack();
      this.#interrupted = true;
      this.#stop.abort();
      out.note("Stopping once the rows under way are done; Ctrl-C again stops now.");
    });
    this.#release = () => {
      giveBack();
      forget();
    };
  }

  /** Is aborted when no further row should be begun. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Notes that a row is done; `error` says why it failed. */
  row(id: string, error?: string): void {
    this.#rows++;
    this.progress.row(error);
    if (error === undefined) return;
    if (this.#failures.push(error) <= toldFailures) this.#out.warn(`${id}: ${error}`);
    if (this.#failures.length === this.#options.maxErrors) this.#stop.abort();
  }

  get failures(): readonly string[] {
    return this.#failures;
  }

  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Removes the progress; Ctrl-C is the process's again. */
  stop(): void {
    this.progress.stop();
    this.#release();
  }

  /** Throws what the run ends with, if anything: the interruption, or RowsError. `rows`: of how many rows some failed. */
  conclude(rows = this.#rows): void {
    const [first] = this.#failures;
    if (this.#interrupted) throw new UserError(this.#options.later, ExitCode.interrupted);
    if (first === undefined) return;
    const { maxErrors } = this.#options;
    throw new RowsError(
      this.#failures.length,
      rows,
      first,
      this.#failures.length >= (maxErrors ?? Number.POSITIVE_INFINITY),
    );
  }
}
