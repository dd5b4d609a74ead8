/** Reads Parquet files, as data sets are published in: short columns at once, pictures when they are asked for. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { FileError } from "../errors.js";
import type { Cells } from "./question.js";

type File = Awaited<ReturnType<typeof asyncBufferFromFile>>;
type Metadata = Awaited<ReturnType<typeof parquetMetadataAsync>>;
type Column = ReturnType<typeof parquetSchema>["children"][number];

/** The value of a column that is read when somebody asks, as pictures are too many to hold. */
export class LaterCell {
  constructor(readonly read: () => Promise<unknown>) {}
}

/** Reads the rows of a file; a cell of a column with bytes in it is a LaterCell. Throws FileError. */
export async function readParquet(path: string): Promise<Cells[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const columns = parquetSchema(metadata).children;
    const later = columns.filter(holdsBytes).map(({ element }) => element.name);
    const now = columns.map(({ element }) => element.name).filter((name) => !later.includes(name));
    const rows = await parquetReadObjects({ file, metadata, columns: now });
    const readers = later.map((name): [string, (row: number) => Promise<unknown>] => [
      name,
      cellReader(file, metadata, name),
    ]);
    return rows.map((row, at) => ({
      ...row,
      ...Object.fromEntries(readers.map(([name, read]) => [name, new LaterCell(() => read(at))])),
    }));
  } catch (error) {
    throw new FileError(`${path} can't be read as Parquet: ${(error as Error).message}.`, { cause: error });
  }
}

/** Whether a column has bytes in it that are no text. */
function holdsBytes({ element, children }: Column): boolean {
  if (children.length > 0) return children.some(holdsBytes);
  const isText = element.converted_type === "UTF8" || element.logical_type?.type === "STRING";
  return element.type === "BYTE_ARRAY" && !isText && element.converted_type === undefined;
}

/** Reads cells of one column. Neighbours lie in one row group, which is decoded once. */
function cellReader(file: File, metadata: Metadata, column: string): (row: number) => Promise<unknown> {
  let held: { start: number; end: number; cells: Promise<Cells[]> } | undefined;
  return async (row) => {
    if (!held || row < held.start || row >= held.end) {
      let start = 0;
      for (const group of metadata.row_groups) {
        const end = start + Number(group.num_rows);
        if (row < end) {
          const range = { rowStart: start, rowEnd: end };
          held = {
            start,
            end,
            cells: parquetReadObjects({ file, metadata, columns: [column], utf8: false, ...range }),
          };
          break;
        }
        start = end;
      }
    }
    return held && (await held.cells)[row - held.start]?.[column];
  };
}
