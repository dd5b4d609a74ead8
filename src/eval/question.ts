/** The types that all benchmarks share: a data set is read to questions, each of which scores its own answer. */

/** A picture or video of a question: a file below the media root, or bytes that the data hold themselves. */
export type Medium = {
  kind: "image" | "video";
  /** Seconds of a video to look at. */
  start?: number;
  end?: number;
} & (
  | {
      file: string;
      /** Folders below the media root where the file may lie. */
      folders?: readonly string[];
      /** Endings that the name may lack. */
      endings?: readonly string[];
    }
  | { bytes: Uint8Array; name: string }
);

export type Prompt = readonly (string | Medium)[];

export interface Question {
  /** Unique in its data set. */
  id: string;
  /** Questions of one unit are right only together; default: each is a unit of its own. */
  unit?: string;
  /** Texts and media in the order in which the model sees them. Throws FileError when a picture in the data can't be read. */
  prompt(): Promise<Prompt> | Prompt;
  /** Answers to choose from by log-probability; absent: the question is open. */
  candidates?: readonly string[] | undefined;
  /** The right answer, or all of them, for the results file. */
  answer: string | readonly string[];
  /** Reads an answer by the benchmark's rule: gives a letter, or words in lower case. */
  read(answer: string): string;
  /** How right an answer is that was read, from 0 to 1. */
  score(read: string): number;
  /** The question's place in the tables of a summary: "duration" is "short". */
  groups: Readonly<Record<string, string>>;
}

/** A question that was asked, and how right its answer is. */
export interface Outcome {
  id: string;
  unit: string;
  groups: Readonly<Record<string, string>>;
  answer: string | readonly string[];
  read: string;
  score: number;
}

/** A number of a summary, from 0 to 1. */
export interface Metric {
  name: string;
  value: number;
}

export interface Format {
  name: string;
  /** One line on what is read and how it is scored. */
  about: string;
  /** Frames of a video in the published evaluation. */
  frames?: number;
  /** Makes questions of data. Throws FileError for data of another shape, UsageError for what can't be scored here. */
  questions(data: readonly Data[]): Promise<Question[]> | Question[];
  /** The numbers of a summary, the one that is published first; default: the accuracy over units. */
  metrics?(outcomes: readonly Outcome[]): Metric[];
}

/** A row of a data file, not trusted. */
export type Cells = Readonly<Record<string, unknown>>;

/** A data file. */
export interface Data {
  path: string;
  /** The file's name without folder and ending. */
  name: string;
  bytes: number;
  sha256: string;
  rows: readonly Cells[];
  /** A JSON file that is one object. */
  whole?: Cells;
}
