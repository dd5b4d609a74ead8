/** Files that are kept to save time: a bounded folder whose least recently used files go first. */
import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";

export interface CacheFile {
  path: string;
  size: number;
  /** When it was last used: its time of modification, which a reader renews. */
  used: number;
  /** Whether it is still being written, or was left by a process that died. */
  partial: boolean;
}

/** A file that is being written for longer was left by a process that died. */
const maxWritingMs = 3600_000;

/** Lists the files of a folder whose names match: a wrong folder must not cost anybody's files. `whole` are those that are not partial. */
export async function cacheFiles(folder: string, names: RegExp, whole: RegExp): Promise<CacheFile[]> {
  const files: CacheFile[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!names.test(name)) continue;
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => null); // another process may have removed it
    if (info) files.push({ path: file, size: info.size, used: info.mtimeMs, partial: !whole.test(name) });
  }
  return files;
}

/** Counts whole files, and the bytes of all. */
export function countFiles(files: readonly CacheFile[]): { entries: number; bytes: number } {
  return {
    entries: files.filter(({ partial }) => !partial).length,
    bytes: files.reduce((total, { size }) => total + size, 0),
  };
}

/**
 * Removes the least recently used files until the rest takes at most `bytes`, and what dead processes left half-written. Returns the bytes of the
 * rest.
 */
export async function pruneFiles(files: readonly CacheFile[], bytes: number): Promise<number> {
  let total = countFiles(files).bytes;
  const stale = Date.now() - maxWritingMs;
  for (const { path: file, size, used, partial } of [...files].sort((a, b) => a.used - b.used)) {
    if (partial ? used > stale : total <= bytes) continue;
    await rm(file, { force: true }).catch(() => {});
    total -= size;
  }
  return total;
}

/** The size of a file, and a name for its path (as it is given), size, time and inode. */
export async function fileIdentity(file: string): Promise<{ name: string; size: number }> {
  const info = await stat(file, { bigint: true });
  const text = `${file}\0${info.size}\0${info.mtimeNs}\0${info.ino}`;
  return { name: createHash("sha256").update(text).digest("hex"), size: Number(info.size) };
}
