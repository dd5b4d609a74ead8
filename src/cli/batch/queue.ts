import { eager, type Inputs } from "../../batch/inputs.js";
import { type Row, RowMaker, type RowSettings } from "../../batch/row.js";
import { ExitCode, UserError } from "../../errors.js";
import { inShard, type Shard } from "../../rows/shard.js";
import type { RowWatch } from "../row-watch.js";

export interface QueueOptions {
  settings: RowSettings;
  /** The part of the rows that is worked on; absent: all. */
  shard?: Shard | undefined;
  /** Whether ids must differ, because a later run goes by them. */
  unique: boolean;
  /** Tells how an earlier run ended with a row. */
  state: (row: Row) => "done" | "failed" | undefined;
}

/** The rows of the inputs, and which of them are still to be worked on. */
export class RowQueue {
  /** Rows of the whole input that were read. */
  rows = 0;
  /** Rows of this shard among them. */
  mine = 0;
  /** Rows of this shard that an earlier run could not answer. */
  failedBefore = 0;
  /** Whether the input was read to its end. */
  ended = false;
  readonly #inputs: Inputs;
  readonly #options: QueueOptions;

  constructor(inputs: Inputs, options: QueueOptions) {
    this.#inputs = inputs;
    this.#options = options;
  }

  /**
   * Reads all rows once, so that what is wrong with them as a whole is told before any work. Rows that can be read only once are not counted:
   * then it returns undefined.
   */
  async count(): Promise<{ rows: number; done: number } | undefined> {
    if (this.#inputs.stream) return undefined;
    let done = 0;
    for await (const { state } of this.#mine()) if (state !== undefined) done++;
    return { rows: this.mine, done };
  }

  /** The rows that have no results yet. */
  async *waiting(watch: RowWatch): AsyncGenerator<Row> {
    for await (const { row, state } of this.#mine())
      if (state === undefined) yield row;
      else if (this.#inputs.stream) watch.progress.skipped();
  }

  /** The same, read ahead as far as they take no room; the watch is told how many there are once that is known. */
  ahead(watch: RowWatch): AsyncGenerator<Row> {
    return eager(this.waiting(watch), isName, () => {
      watch.progress.total = this.mine;
    });
  }

  /**
   * Throws what the run ends with, if anything (see RowWatch.conclude), or that rows failed in an earlier run.
   *
   * @param again what the option for these does with them: "asks"
   */
  conclude(watch: RowWatch, again: string): void {
    watch.conclude(this.mine);
    if (this.failedBefore > 0)
      throw new UserError(
        `${this.failedBefore} of ${this.mine} rows failed in an earlier run; --retry-errors ${again} them again.`,
        ExitCode.rows,
      );
  }

  async *#mine(): AsyncGenerator<{ row: Row; state: "done" | "failed" | undefined }> {
    const { settings, shard, unique } = this.#options;
    const maker = new RowMaker(settings, unique);
    [this.rows, this.mine, this.failedBefore, this.ended] = [0, 0, 0, false];
    for await (const raw of this.#inputs.rows()) {
      const row = maker.make(raw);
      if (!row) continue;
      this.rows = row.index + 1;
      if (!inShard(row.index, shard)) continue;
      this.mine++;
      const state = this.#options.state(row);
      if (state === "failed") this.failedBefore++;
      yield { row, state };
    }
    this.ended = true;
  }
}

/** Whether a row is but a name, of which any number may wait. */
const isName = ({ raw }: Row): boolean => typeof raw.value === "string";
