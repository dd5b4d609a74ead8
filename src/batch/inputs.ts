/** The sources of a batch's rows, one after another. */
import { type FileError, UsageError } from "../errors.js";
import { filesOf } from "./files.js";
import {
  type FileForm,
  type Form,
  formOf,
  type RawRow,
  readEither,
  readFileRows,
  readNames,
  readObjects,
  readTable,
} from "./raw.js";
import { type Agreement, readRelayed } from "./relayed.js";

export interface InputOptions {
  /** How rows are written; absent: as names and first bytes tell. */
  form?: Form | undefined;
  /** Names on stdin end with a NUL character. */
  zero: boolean;
  stdin: AsyncIterable<Uint8Array>;
  /** Called with the error of a subfolder that can't be read, which is left out. */
  onSkip: (error: FileError) => void;
  /** Needed for the form "relayed". */
  agreement?: Agreement;
}

type Source = { files: string[] } | { file: string; form: FileForm } | "stdin";

export class Inputs {
  readonly #sources: readonly Source[];
  readonly #options: InputOptions;

  private constructor(sources: readonly Source[], options: InputOptions) {
    this.#sources = sources;
    this.#options = options;
  }

  /** Looks at arguments: "-" is stdin, JSONL and tables hold rows, and the files of folders and patterns are rows. Throws UsageError or FileError. */
  static async open(args: readonly string[], options: InputOptions): Promise<Inputs> {
    if (args.filter((arg) => arg === "-").length > 1) throw new UsageError("stdin (-) can be read only once.");
    const sources: Source[] = [];
    for (const arg of args) {
      const form = options.form === "names" || options.form === "relayed" ? undefined : (options.form ?? formOf(arg));
      if (arg === "-") sources.push("stdin");
      else if (form) sources.push({ file: arg, form });
      else sources.push({ files: await filesOf(arg, options.onSkip) });
    }
    return new Inputs(sources, options);
  }

  /** Whether rows can be read only once, and may come as slowly as somebody writes them. */
  get stream(): boolean {
    return this.#sources.includes("stdin");
  }

  /** The rows from the first on. */
  async *rows(): AsyncGenerator<RawRow> {
    for (const source of this.#sources) {
      if (source === "stdin") yield* this.#stdin();
      else if ("file" in source) yield* readFileRows(source.file, source.form);
      else for (const value of source.files) yield { value, base: "", options: true };
    }
  }

  #stdin(): AsyncGenerator<RawRow> {
    const { form, zero, stdin, agreement } = this.#options;
    if (form === "relayed") return readRelayed(stdin, agreement as Agreement);
    if (zero || form === "names") return readNames(stdin, zero);
    if (form === "jsonl") return readObjects(stdin, "");
    if (form) return readTable(stdin, { name: "stdin", base: "", delimiter: form === "csv" ? "," : "\t" });
    return readEither(stdin);
  }
}

/**
 * Reads a source ahead of its reader: as far as it goes while its items are light, else until the reader has caught up. So it is soon known how
 * many there are. `onEnd` is called when the source has come to its end.
 */
export async function* eager<T>(
  source: AsyncIterable<T>,
  isLight: (item: T) => boolean,
  onEnd: () => void,
): AsyncGenerator<T> {
  const items: T[] = [];
  let ended = false;
  let error: unknown;
  let news = (): void => {};
  let caughtUp = (): void => {};
  const pump = async (): Promise<void> => {
    for await (const item of source) {
      items.push(item);
      news();
      if (!isLight(item))
        await new Promise<void>((resolve) => {
          caughtUp = resolve;
        });
    }
    onEnd();
  };
  const pumping = pump()
    .catch((reason: unknown) => {
      error = reason;
    })
    .finally(() => {
      ended = true;
      news();
    });
  let at = 0;
  for (;;) {
    const item = items[at];
    if (item !== undefined) {
      at++;
      if (at === items.length) at = items.length = 0; // caught up: nothing that was read is held
      yield item;
    } else if (ended) {
      await pumping;
      if (error !== undefined) throw error;
      return;
    } else {
      const more = new Promise<void>((resolve) => {
        news = resolve;
      });
      caughtUp();
      await more;
    }
  }
}
