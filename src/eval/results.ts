/** The lines of a results file of an evaluation: one about the run, then one for each question that was asked. */
import type { ModelFingerprint } from "../rows/fingerprint.js";
import { ResultsFile, type ResultsKind } from "../rows/results.js";
import { differentSetting } from "../rows/settings.js";

/** The run that a file holds the results of. */
export interface RunHeader {
  owl3_eval: 1;
  format: string;
  model: ModelFingerprint;
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

const kind: ResultsKind<ResultLine, RunHeader> = {
  what: "results file of an evaluation",
  header: "first",
  isHeader: (value) => (value as Partial<RunHeader>).owl3_eval === 1,
  difference,
  read: ({ id, error }) => (typeof id === "string" ? { id, failed: error !== undefined } : undefined),
};

/** The results of an evaluation, so far. */
export class Results {
  readonly #file: ResultsFile<ResultLine, RunHeader>;
  /** The lines of questions that have an answer, by id. Those that failed are asked again. */
  readonly done: Map<string, ResultLine>;

  private constructor(file: ResultsFile<ResultLine, RunHeader>, done: Map<string, ResultLine>) {
    this.#file = file;
    this.done = done;
  }

  /** Opens a file or begins it (see ResultsFile.open). */
  static async open(path: string, header: RunHeader): Promise<Results> {
    const done = new Map<string, ResultLine>();
    const onLine = (line: ResultLine): void => void done.set(line.id, line);
    return new Results(await ResultsFile.open(path, kind, header, { retry: true, onLine }), done);
  }

  add(line: ResultLine): void {
    this.#file.add(line);
    if (line.error === undefined) this.done.set(line.id, line);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function difference(before: RunHeader, now: RunHeader): string | undefined {
  if (before.format !== now.format) return `the format ${before.format}, not ${now.format}`;
  if (before.model?.fingerprint !== now.model.fingerprint) return `another model (${before.model?.name})`;
  const data = (header: RunHeader): string => JSON.stringify(header.data?.map(({ sha256 }) => sha256));
  if (data(before) !== data(now)) return "other data";
  return differentSetting(before.settings, now.settings);
}
