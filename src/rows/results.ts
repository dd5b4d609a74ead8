/**
 * A results file: a line of JSON for each row that was worked on, and a header that says which run began it. It is all that there is to resume from:
 * a row that has a line is not worked on again.
 */
import {
  closeSync,
  createReadStream,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { onInterrupt } from "../cleanup.js";
import { FileError, systemReason, UsageError } from "../errors.js";
import { lockFile } from "../lock.js";
import { parseObject, splitLines } from "./lines.js";

/** Lines are on the disk, whatever happens to the machine, after this many milliseconds. */
const syncEvery = 5000;

/** The form of a command's results files. */
export interface ResultsKind<L extends object, H extends object> {
  /** In errors, after "is no": "results file of an evaluation". */
  what: string;
  /** Where the header is: "first", the first line of the file, or "beside", in FILE.run.json, so that the file holds rows and nothing else. */
  header: "first" | "beside";
  /** Whether an object is a header of this kind. */
  isHeader(value: object): boolean;
  /** Says in words how the run that began a file differs from this one: "another model (m.gguf)"; undefined: in nothing that matters. */
  difference(before: H, now: H): string | undefined;
  /** The id of a line's row, and whether the row failed; undefined for what is no line of this kind. */
  read(line: Partial<L>): { id: string; failed: boolean } | undefined;
}

export interface ResultsOptions<L> {
  /** Failed rows are to be worked on again: their lines are removed. */
  retry?: boolean;
  /** Is called with each line that is there already and stays. */
  onLine?: (line: L) => void;
}

/** The file with the header of a results file whose kind keeps it beside. */
export const headerFile = (file: string): string => `${file}.run.json`;

export class ResultsFile<L extends object, H extends object> {
  readonly #path: string;
  readonly #kind: ResultsKind<L, H>;
  readonly #unlock: () => void;
  /** Whether a row failed, by its id. */
  readonly #rows = new Map<string, boolean>();
  #file: number;
  #size = 0;
  #dirty = false;
  #syncing: Promise<void> | undefined;
  #broken: NodeJS.ErrnoException | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, kind: ResultsKind<L, H>, unlock: () => void, file: number) {
    this.#path = path;
    this.#kind = kind;
    this.#unlock = unlock;
    this.#file = file;
  }

  /**
   * Opens a file or begins it, and locks it. A torn last line is cut off. Throws FileError, UsageError for the results of another run, and UserError if
   * another process has it.
   */
  static async open<L extends object, H extends object>(
    path: string,
    kind: ResultsKind<L, H>,
    header: H,
    options: ResultsOptions<L> = {},
  ): Promise<ResultsFile<L, H>> {
    closeSync(openFile(path)); // what can't be written need not be locked
    const unlock = lockResults(path);
    try {
      const results = new ResultsFile<L, H>(path, kind, unlock, openFile(path));
      try {
        await results.#begin(header, options);
      } catch (error) {
        closeSync(results.#file);
        throw error;
      }
      results.#timer = setInterval(() => results.#sync(), syncEvery).unref();
      return results;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** Rows that have lines. */
  get size(): number {
    return this.#rows.size;
  }

  /** Tells what a row's line says; undefined: it has none. */
  state(id: string): "done" | "failed" | undefined {
    const failed = this.#rows.get(id);
    return failed === undefined ? undefined : failed ? "failed" : "done";
  }

  /** Writes the line of a row. Throws FileError; the file then ends with the line before. */
  add(line: L): void {
    if (this.#broken) throw unwritable(this.#path, this.#broken);
    this.#write(line);
    const row = this.#kind.read(line);
    if (row) this.#rows.set(row.id, row.failed);
  }

  /** Writes another header; only where it is beside the file. */
  setHeader(header: H): void {
    writeWhole(headerFile(this.#path), `${JSON.stringify(header)}\n`);
  }

  /** Sees to it that all lines are on the disk, and unlocks the file. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.#syncing;
      if (this.#dirty) attempt(this.#path, () => fdatasyncSync(this.#file));
      if (this.#broken) throw unwritable(this.#path, this.#broken);
    } finally {
      closeSync(this.#file);
      this.#unlock();
    }
  }

  async #begin(header: H, { retry = false, onLine }: ResultsOptions<L>): Promise<void> {
    const path = this.#path;
    const { size } = fstatSync(this.#file);
    const beside = this.#kind.header === "beside";
    if (beside && size > 0) this.#checkHeader(readHeader(path), header);
    let number = 0;
    let torn: Buffer | undefined;
    const failed: number[] = [];
    for await (const { bytes, whole, length } of splitLines(createReadStream(path))) {
      if (!whole) {
        torn = bytes;
        break;
      }
      number++;
      this.#size += length;
      const line = parseObject(bytes);
      if (number === 1 && !beside) {
        this.#checkHeader(line, header);
        continue;
      }
      const row = line && this.#kind.read(line as Partial<L>);
      if (!row && number === 1) throw this.#foreign();
      if (!row) throw new FileError(`${path}, line ${number} is damaged.`);
      if (retry && row.failed) {
        failed.push(number);
        continue;
      }
      this.#rows.set(row.id, row.failed);
      onLine?.(line as L);
    }
    // Nothing is cut off a file that is not ours: without a header it must hold the beginning of it.
    if (!beside && number === 0 && torn && !JSON.stringify(header).startsWith(torn.toString())) throw this.#foreign();
    if (torn) attempt(path, () => ftruncateSync(this.#file, this.#size));
    if (failed.length > 0) await this.#remove(new Set(failed));
    if (beside && number === 0) this.setHeader(header);
    if (!beside && number === 0) this.#write(header);
  }

  #checkHeader(before: object | undefined, now: H): void {
    if (!before && this.#kind.header === "beside")
      throw new UsageError(
        `${this.#path} holds something, and there is no ${headerFile(this.#path)} to say which run began it; name another one.`,
      );
    if (!before || !this.#kind.isHeader(before)) throw this.#foreign();
    const other = this.#kind.difference(before as H, now);
    if (other) throw new UsageError(`${this.#path} holds results with ${other}; remove it or name another one.`);
  }

  #foreign(): UsageError {
    return new UsageError(`${this.#path} is no ${this.#kind.what}; name another one.`);
  }

  /** Writes the file anew without some lines, and gives it its name once it is whole. */
  async #remove(lines: ReadonlySet<number>): Promise<void> {
    const path = this.#path;
    const copy = `${path}.partial`;
    const to = attempt(copy, () => openSync(copy, "w"));
    const forget = onInterrupt(() => rmSync(copy, { force: true }));
    let number = 0;
    this.#size = 0;
    try {
      for await (const { bytes } of splitLines(createReadStream(path))) {
        if (lines.has(++number)) continue;
        attempt(copy, () => writeAll(to, Buffer.concat([bytes, newline])));
        this.#size += bytes.length + 1;
      }
      attempt(copy, () => fsyncSync(to));
    } finally {
      closeSync(to);
      forget();
    }
    attempt(path, () => renameSync(copy, path));
    closeSync(this.#file);
    this.#file = openFile(path);
  }

  #write(value: object): void {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    try {
      // One call for a whole line, so that a run that is killed leaves at most one torn line.
      writeAll(this.#file, bytes);
    } catch (error) {
      try {
        ftruncateSync(this.#file, this.#size);
      } catch {
        // The next run cuts it off.
      }
      throw unwritable(this.#path, error);
    }
    this.#size += bytes.length;
    this.#dirty = true;
  }

  #sync(): void {
    if (!this.#dirty || this.#syncing) return;
    this.#dirty = false;
    this.#syncing = new Promise((resolve) => {
      fdatasync(this.#file, (error) => {
        this.#broken ??= error ?? undefined;
        this.#syncing = undefined;
        resolve();
      });
    });
  }
}

const newline = Buffer.from("\n");

function openFile(path: string): number {
  const file = attempt(path, () => openSync(path, "a+"));
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new FileError(`${path} is not a regular file, so no run could go on with it.`);
}

/** Locks a results file, and returns what unlocks it. Throws UserError if another process has it. */
export const lockResults = (path: string): (() => void) =>
  lockFile(`${path}.lock`, (owner) => `another owl3 (${owner}) is writing ${path}.`);

/** The header beside a file; undefined if there is none that could be read. */
export function readHeader(path: string): object | undefined {
  try {
    return parseObject(readFileSync(headerFile(path)));
  } catch {
    return undefined;
  }
}

/** Writes a file and gives it its name once it is whole and on the disk. */
export function writeWhole(path: string, text: string): void {
  const partial = `${path}.partial`;
  attempt(path, () => {
    const file = openSync(partial, "w");
    try {
      writeAll(file, Buffer.from(text));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  });
}

/** Writes all bytes, also where the system takes a part of them at a time. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): FileError {
  return new FileError(`${path} can't be written: ${systemReason(error)}.`, { cause: error });
}
