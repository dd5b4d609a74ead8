/** Takes what a format needs out of a row. Each function names the row in its error. */
import { jsonOf } from "../check.js";
import { FileError } from "../errors.js";
import { LaterCell } from "./parquet.js";
import type { Cells, Data, Medium } from "./question.js";

/** A row and where it stands, for messages. */
export interface Row {
  cells: Cells;
  where: string;
  /** Its place in the file, from 0. */
  at: number;
  data: Data;
}

/** All rows of data files. Throws FileError for one that has none. */
export function rowsOf(data: readonly Data[]): Row[] {
  return data.flatMap((file) => {
    if (file.rows.length === 0) throw new FileError(`${file.path} has no rows of this format.`);
    return file.rows.map((cells, at) => ({ cells, at, data: file, where: `${file.path}, row ${at + 1}` }));
  });
}

/** A cell that may be absent, as text: numbers are written out, and what pandas leaves for nothing counts as nothing. */
export function optional({ cells }: Row, column: string): string | undefined {
  const value = cells[column];
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" && value !== "nan" ? value : undefined;
}

export function text(row: Row, column: string): string {
  const value = optional(row, column);
  if (value === undefined) throw new FileError(`${row.where} has no text in "${column}".`);
  return value;
}

export function number(row: Row, column: string): number {
  const value = Number(text(row, column));
  if (!Number.isFinite(value)) throw new FileError(`${row.where}: "${column}" is not a number.`);
  return value;
}

/** A list of texts; tables hold it as JSON, or as Python writes it. */
export function list(row: Row, column: string): string[] {
  let value = row.cells[column];
  if (typeof value === "string") value = parsedList(value);
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string" && typeof one !== "number"))
    throw new FileError(`${row.where}: "${column}" is not a list of texts.`);
  return value.map(String);
}

function parsedList(value: string): unknown {
  const parsed = jsonOf(value);
  if (parsed !== undefined) return parsed;
  const items = [...value.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)];
  const inside = /^\s*\[.*\]\s*$/s.test(value);
  return inside ? items.map(([, single, double]) => (single ?? double ?? "").replace(/\\(.)/g, "$1")) : undefined;
}

/** The index of the right option: a number from 0, a letter with or without brackets, or the option's text. */
export function optionIndex(row: Row, column: string, options: readonly string[]): number {
  const value = text(row, column);
  const letter = /^\(?([A-J])\)?\.?$/.exec(value.trim())?.[1];
  const index = letter
    ? letter.charCodeAt(0) - 65
    : /^\d+$/.test(value) && !options.includes(value)
      ? Number(value)
      : options.indexOf(value);
  if (index < 0 || index >= options.length)
    throw new FileError(
      `${row.where}: "${column}" is ${value.slice(0, 60)}, which is none of the ${options.length} options.`,
    );
  return index;
}

/** A picture: the name of a file, base64 (in `base64` tables), or {bytes, path} as data sets hold it; undefined where there is none. */
export async function optionalPicture(row: Row, column: string, { base64 = false } = {}): Promise<Medium | undefined> {
  return medium(await read(row.cells[column]), `${row.where}: ${column}`, base64);
}

/** A picture that must be there. */
export async function picture(row: Row, column: string, options: { base64?: boolean } = {}): Promise<Medium> {
  const found = await optionalPicture(row, column, options);
  if (!found) throw new FileError(`${row.where} has no picture in "${column}".`);
  return found;
}

/** The pictures of a column that holds a list of them. */
export async function pictures(row: Row, column: string): Promise<Medium[]> {
  const value = await read(row.cells[column]);
  if (!Array.isArray(value)) throw new FileError(`${row.where}: "${column}" is not a list of pictures.`);
  return value.map((one, i) => {
    const found = medium(one, `${row.where}: ${column}, picture ${i + 1}`, false);
    if (!found) throw new FileError(`${row.where}: picture ${i + 1} of "${column}" is missing.`);
    return found;
  });
}

const read = async (cell: unknown): Promise<unknown> => (cell instanceof LaterCell ? await cell.read() : cell);

function medium(value: unknown, name: string, base64: boolean): Medium | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (value instanceof Uint8Array) return { kind: "image", name, bytes: value };
  if (typeof value === "string")
    return base64 ? { kind: "image", name, bytes: Buffer.from(value, "base64") } : { kind: "image", file: value };
  if (typeof value !== "object") throw new FileError(`${name} is no picture.`);
  const { bytes, path } = value as { bytes?: unknown; path?: unknown };
  if (bytes !== undefined && bytes !== null) return medium(bytes, name, true);
  // Text beside bytes comes out of Parquet as bytes.
  const file = path instanceof Uint8Array ? new TextDecoder().decode(path) : path;
  return typeof file === "string" ? medium(file, name, false) : undefined;
}
