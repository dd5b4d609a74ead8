/**
 * The results file: a line of JSON about the run, then one for each question that was asked. It is all that there is to resume from: what has a line
 * with an outcome is not asked again.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { FileError, UsageError } from "../errors.js";

/** The run that a file holds the results of. */
export interface RunHeader {
  owl3_eval: 1;
  format: string;
  model: { name: string; bytes: number; fingerprint: string };
  data: { name: string; bytes: number; sha256: string }[];
  settings: Record<string, string | number | boolean>;
}

export interface ResultLine {
  id: string;
  /** The model's answer, or the candidate with the largest log-probability. */
  text?: string;
  /** The answer as the benchmark's rule read it. */
  read?: string;
  answer?: string | readonly string[];
  score?: number;
  groups?: Readonly<Record<string, string>>;
  /** Log-probabilities of the candidates. */
  logprobs?: Record<string, number>;
  /** Why it failed; then there is no text. */
  error?: string;
  ms: number;
}

export class ResultsFile {
  readonly #file: number;
  readonly #path: string;
  /** The results that are there, by id, without those that failed: these are asked again. */
  readonly done = new Map<string, ResultLine>();

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** Opens a file or begins it. A torn last line is cut off. Throws FileError, and UsageError for results of another run. */
  static open(path: string, header: RunHeader): ResultsFile {
    const file = attempt(path, () => openSync(path, "a+"));
    const results = new ResultsFile(path, file);
    try {
      const bytes = attempt(path, () => readFileSync(path));
      const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
      const [first = "", ...lines] = whole.toString("utf8").trimEnd().split("\n");
      // Nothing is cut off a file that is not ours: without a whole line it must hold the beginning of our first one.
      const begun = whole.length === 0 && JSON.stringify(header).startsWith(bytes.toString("utf8"));
      if (!begun) results.#take(first, lines, header);
      if (whole.length < bytes.length) ftruncateSync(file, whole.length);
      if (begun) results.#write(header);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    return results;
  }

  add(line: ResultLine): void {
    this.#write(line);
    if (line.error === undefined) this.done.set(line.id, line);
  }

  close(): void {
    closeSync(this.#file);
  }

  #take(first: string, lines: readonly string[], header: RunHeader): void {
    const before = json(first) as RunHeader | undefined;
    if (before?.owl3_eval !== 1)
      throw new UsageError(`${this.#path} is no results file of an evaluation; name another one.`);
    const other = difference(before, header);
    if (other) throw new UsageError(`${this.#path} holds results with ${other}; remove it or name another one.`);
    for (const [i, text] of lines.entries()) {
      const line = json(text) as ResultLine | undefined;
      if (typeof line?.id !== "string") throw new FileError(`${this.#path}, line ${i + 2} is damaged.`);
      if (line.error === undefined) this.done.set(line.id, line);
    }
  }

  /** One call for a whole line, so that a run that is killed leaves at most one torn line. */
  #write(value: unknown): void {
    attempt(this.#path, () => writeSync(this.#file, `${JSON.stringify(value)}\n`));
  }
}

/** Says in words how the run that began a file differs from this one; undefined: in nothing. */
function difference(before: RunHeader, now: RunHeader): string | undefined {
  if (before.format !== now.format) return `the format ${before.format}, not ${now.format}`;
  if (before.model?.fingerprint !== now.model.fingerprint) return `another model (${before.model?.name})`;
  const data = (header: RunHeader): string => JSON.stringify(header.data?.map(({ sha256 }) => sha256));
  if (data(before) !== data(now)) return "other data";
  for (const key of new Set([...Object.keys(now.settings), ...Object.keys(before.settings ?? {})]))
    if (before.settings?.[key] !== now.settings[key])
      return `${key} ${before.settings?.[key]}, not ${now.settings[key]}`;
  return undefined;
}

function json(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FileError(`${path} can't be written: ${code ?? message}.`, { cause: error });
  }
}
