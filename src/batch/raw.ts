/** Rows as their source gives them: names of files, or objects of JSONL and CSV. */
import { createReadStream } from "node:fs";
import path from "node:path";
import { pipeline, Readable } from "node:stream";
import { FileError, UsageError } from "../errors.js";
import { unreadable } from "../media/head.js";
import { maxLine, parseObject, splitLines } from "../rows/lines.js";

/** A row before it is looked at. */
export interface RawRow {
  /** A file's name, or named values. */
  value: string | Readonly<Record<string, unknown>>;
  /** The folder that its files are relative to; empty: the current folder. */
  base: string;
  /** Whether values are options and messages if their names say so; cells of tables are not, since a column may be called "temperature". */
  options: boolean;
  /** Why the row can't be used. */
  bad?: string;
  /** Its number and id, if another process has given it these already. */
  place?: { index: number; id: string };
}

/** How rows are written: a name a line, a JSON object a line, a table, or as relayedLine() does. */
export type Form = "names" | "jsonl" | "csv" | "tsv" | "relayed";

/** The forms that files have. */
export type FileForm = Exclude<Form, "names" | "relayed">;

/** A line that is nested deeper is no row: whoever walks through it would run out of stack. */
const maxDepth = 100;
/** Largest number of characters of a bad line that are kept as its row. */
const keptOfBad = 200;

/** The rows of names that are separated by line breaks, or by NUL characters (`zero`). Empty names are left out. */
export async function* readNames(stream: AsyncIterable<Uint8Array>, zero: boolean): AsyncGenerator<RawRow> {
  for await (const { bytes, tooLong } of splitLines(stream, { separator: zero ? 0 : 10, max: 65_536 })) {
    const row = nameRow(bytes, zero);
    if (tooLong) yield { ...rest, value: "", bad: "A name is longer than 65536 bytes." };
    else if (row) yield row;
  }
}

/** The rows of JSON objects, one a line. Lines that are none of these become bad rows. */
export async function* readObjects(stream: AsyncIterable<Uint8Array>, base: string): AsyncGenerator<RawRow> {
  for await (const { bytes, tooLong } of splitLines(stream)) {
    if (tooLong) yield { ...rest, value: "", bad: `A line is longer than ${maxLine / 2 ** 20} MiB.` };
    else if (!isBlank(bytes)) yield objectRow(bytes, base);
  }
}

/** The rows of standard input: JSON objects if its first line that is not empty begins with "{", else names. */
export async function* readEither(stream: AsyncIterable<Uint8Array>): AsyncGenerator<RawRow> {
  let objects: boolean | undefined;
  for await (const { bytes, tooLong } of splitLines(stream)) {
    if (!tooLong && isBlank(bytes)) continue;
    objects ??= isObject(bytes);
    if (tooLong) yield { ...rest, value: "", bad: `A line is longer than ${maxLine / 2 ** 20} MiB.` };
    else if (objects) yield objectRow(bytes, "");
    else yield nameRow(bytes, false) as RawRow;
  }
}

/** The rows of a table whose first line names its columns. Throws FileError if it is no table; a row with too many or too few cells is bad. */
export async function* readTable(
  stream: AsyncIterable<Uint8Array>,
  { name, base, delimiter }: { name: string; base: string; delimiter: string },
): AsyncGenerator<RawRow> {
  const { parse } = await import("csv-parse");
  // A row may hold line breaks, so only the parser knows where it ends; columns are counted here, so that one bad row is not the end.
  const settings = { delimiter, bom: true, skip_empty_lines: true, relax_column_count: true, max_record_size: maxLine };
  // pipeline() hands an error of the source on to whoever reads the records.
  const records = pipeline(Readable.from(decoded(stream, name)), parse(settings), () => {});
  let columns: string[] | undefined;
  try {
    for await (const cells of records as AsyncIterable<string[]>) {
      if (!columns) {
        columns = cells;
        const twice = columns.find((column, i) => columns?.indexOf(column) !== i);
        if (twice !== undefined) throw new FileError(`${name} has two columns called "${twice}".`);
        continue;
      }
      const value = Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ""]));
      const counts = `A row has ${cells.length} cells, and the table has ${columns.length} columns.`;
      yield { value, base, options: false, ...(cells.length !== columns.length && { bad: counts }) };
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    const { message } = error as Error;
    throw new FileError(`${name} is no table: ${message}${message.endsWith(".") ? "" : "."}`, { cause: error });
  }
}

/** The rows of a file of the form. Throws FileError. */
export function readFileRows(file: string, form: FileForm, base = path.dirname(file)) {
  const stream = fileBytes(file);
  if (form === "jsonl") return readObjects(stream, base);
  return readTable(stream, { name: file, base, delimiter: form === "csv" ? "," : "\t" });
}

async function* fileBytes(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file);
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException);
  }
}

async function* decoded(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (error) {
      throw new FileError(`${name} is not UTF-8 text.`, { cause: error });
    }
  };
  // A chunk without a character is no text yet, and an empty string would end a stream of objects.
  for await (const bytes of stream) yield* [decode(bytes)].filter((text) => text !== "");
  yield* [decode()].filter((text) => text !== "");
}

const rest = { base: "", options: true };

function nameRow(bytes: Buffer, zero: boolean): RawRow | undefined {
  const text = bytes.toString("utf8");
  const value = zero ? text : text.replace(/\r$/, "");
  if (value === "") return undefined;
  if (!Buffer.from(text).equals(bytes)) return { ...rest, value, bad: "The file's name is not UTF-8 text." };
  return { ...rest, value };
}

function objectRow(bytes: Buffer, base: string): RawRow {
  const value = parseObject(bytes);
  const start = bytes.toString("utf8", 0, keptOfBad);
  if (value && isDeep(value, maxDepth))
    return { ...rest, value: start, bad: `A line is nested more than ${maxDepth} deep.` };
  if (value) return { value: value as Record<string, unknown>, base, options: true };
  return { ...rest, value: start, bad: "A line is not a JSON object." };
}

const isDeep = (value: unknown, left: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (left === 0 || Object.values(value).some((inner) => isDeep(inner, left - 1)));
const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 32 || byte === 9 || byte === 13);
const isObject = (bytes: Buffer): boolean => bytes.toString("utf8", 0, 4096).trimStart().startsWith("{");

/** The form of a file by its name's ending; undefined: it is a picture, a clip, a folder or a pattern. */
export function formOf(file: string): FileForm | undefined {
  const ending = /\.(jsonl|ndjson|csv|tsv)$/i.exec(file)?.[1]?.toLowerCase();
  return ending === "ndjson" ? "jsonl" : (ending as FileForm | undefined);
}

/** Checks what names a column: `image=path`. Throws UsageError. */
export function parseMap(text: string): [field: string, column: string] {
  const [, field, column] = /^([a-z_]+)=(.+)$/s.exec(text) ?? [];
  if (!field || !column) throw new UsageError(`"${text}" maps nothing; write image=COLUMN, prompt=COLUMN and so on.`);
  return [field, column];
}
