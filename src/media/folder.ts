/** Looks into folders, in natural order and without hidden files. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Compares names in natural order: numbers by value, letters without case, ties by code units. */
export function naturalOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

export interface Entry {
  /** Its path: that of the folder and its name. */
  file: string;
  /** Links to folders are none, since they may lead in a circle. */
  isFolder: boolean;
}

/** The files and folders in a folder. Throws FileError. */
export async function entriesOf(folder: string): Promise<Entry[]> {
  const all = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${folder} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  return all
    .filter(({ name }) => !name.startsWith("."))
    .sort((a, b) => naturalOrder(a.name, b.name))
    .map((entry) => ({ file: path.join(folder, entry.name), isFolder: entry.isDirectory() }));
}

/** All files and folders below a folder; a folder comes before what is in it. A subfolder that can't be read goes to `onSkip`. Throws FileError. */
export async function* below(top: string, onSkip: (error: FileError) => void): AsyncGenerator<Entry> {
  yield* inside(await entriesOf(top), onSkip);
}

async function* inside(entries: readonly Entry[], onSkip: (error: FileError) => void): AsyncGenerator<Entry> {
  for (const entry of entries) {
    yield entry;
    if (entry.isFolder) yield* inside(await entriesOf(entry.file).catch(unlessSkipped(onSkip)), onSkip);
  }
}

/** Gives the error of a subfolder to `onSkip`, and nothing in the place of what is in it; throws any other error, and all without `onSkip`. */
export const unlessSkipped =
  (onSkip: ((error: FileError) => void) | undefined) =>
  (error: unknown): [] => {
    if (!onSkip || !(error instanceof FileError)) throw error;
    onSkip(error);
    return [];
  };
