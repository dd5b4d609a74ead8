/** Reads data files to rows. They come from elsewhere: what they hold is checked where it is used. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { jsonOf } from "../check.js";
import { FileError, systemReason } from "../errors.js";
import { readParquet } from "./parquet.js";
import type { Cells, Data } from "./question.js";

/** Largest text file in bytes: it is read as one string, which may not be much longer. */
const maxText = 500 * 2 ** 20;

/** Reads a JSON, JSONL, CSV, TSV or Parquet file; CSV and TSV are told by the name's ending, the others by their content. Throws FileError. */
export async function readData(file: string): Promise<Data> {
  const info = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(
      error.code === "ENOENT" ? `there is no file ${file}.` : `${file} can't be read: ${systemReason(error)}.`,
    );
  });
  if (!info.isFile()) throw new FileError(`${file} is not a regular file; name the data files of the benchmark.`);
  const ending = path.extname(file);
  const about = { path: file, name: path.basename(file, ending), bytes: info.size, sha256: await hash(file) };
  if (await isParquet(file)) return { ...about, rows: await readParquet(file) };
  if (info.size > maxText)
    throw new FileError(`${file} is larger than ${maxText / 2 ** 20} MiB; split it, or give it as Parquet.`);
  const text = decoded(await readFile(file), file);
  if (/^\.[ct]sv$/i.test(ending))
    return { ...about, rows: await table(text, /^\.tsv$/i.test(ending) ? "\t" : ",", file) };
  const whole = jsonOf(text);
  if (Array.isArray(whole)) return { ...about, rows: whole.map((row, i) => cells(row, `${file}, row ${i + 1}`)) };
  if (whole !== undefined && text.trimEnd().includes("\n") === false) {
    // One object on one line may be JSONL with one row as well as a whole file: formats look at either.
    const row = cells(whole, file);
    return { ...about, rows: [row], whole: row };
  }
  if (whole !== undefined) return { ...about, rows: [], whole: cells(whole, file) };
  return { ...about, rows: lines(text, file) };
}

async function hash(file: string): Promise<string> {
  const sum = createHash("sha256");
  for await (const chunk of createReadStream(file)) sum.update(chunk as Buffer);
  return sum.digest("hex");
}

async function isParquet(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString("latin1") === "PAR1";
  } finally {
    await handle.close();
  }
}

function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FileError(`${file} is neither UTF-8 text nor Parquet.`, { cause: error });
  }
}

function lines(text: string, file: string): Cells[] {
  const rows: Cells[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const row = jsonOf(line);
    if (row === undefined) throw new FileError(`${file}, line ${i + 1} is not JSON.`);
    rows.push(cells(row, `${file}, line ${i + 1}`));
  }
  return rows;
}

async function table(text: string, delimiter: string, file: string): Promise<Cells[]> {
  const { parse } = await import("csv-parse/sync");
  try {
    return parse(text, { delimiter, columns: true, bom: true, skip_empty_lines: true, relax_quotes: true }) as Cells[];
  } catch (error) {
    throw new FileError(`${file} is no table: ${(error as Error).message}.`, { cause: error });
  }
}

function cells(row: unknown, where: string): Cells {
  if (typeof row !== "object" || row === null || Array.isArray(row)) throw new FileError(`${where} is not an object.`);
  return row as Cells;
}
