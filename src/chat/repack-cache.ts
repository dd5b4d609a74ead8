/**
 * The folder of repacked weights: the engine computes with weights in a layout of its own and keeps them here, so that the next start maps them
 * instead of repacking the model file. The engine writes and checks the files (native/cpu/gemm/packed_copy.h); this class names them by the
 * model file that they were made from, and bounds what they take. Nothing fails because of it: without a file the model is repacked.
 */
import { mkdir, realpath, rm, statfs, utimes } from "node:fs/promises";
import path from "node:path";
import { cacheFolder, parseLimit } from "../vision/cache.js";
import { type CacheFile, cacheFiles, countFiles, fileIdentity, pruneFiles } from "../vision/cache-files.js";

/** The bytes that repacked weights may take: $OWL3_REPACK_CACHE, else 20 GB. */
export function repackLimit(env: NodeJS.ProcessEnv = process.env): number {
  return parseLimit("OWL3_REPACK_CACHE", env.OWL3_REPACK_CACHE, 20e9);
}

/** The folder of the files: repacked in $OWL3_CACHE_DIR, or beside the default folder of embeddings. */
export function repackFolder(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(env.OWL3_CACHE_DIR || path.dirname(cacheFolder(env)), "repacked");
}

/** Smaller models are repacked in no time. */
const minModelBytes = 100e6;

export class RepackCache {
  readonly folder: string;
  readonly limit: number;
  readonly #minModelBytes: number;

  constructor(folder: string = repackFolder(), limit: number = repackLimit(), smallest: number = minModelBytes) {
    this.folder = folder;
    this.limit = limit;
    this.#minModelBytes = smallest;
  }

  /**
   * Returns how the names of a model's files begin, and whether there are none yet, after making room for them. Returns undefined for a model that
   * is to be repacked at each start: it is small, exceeds the limit or would fill the disk. So is one that has no files while
   * `repacks` says that nothing of it is going to be repacked.
   */
  async prefix(
    model: string,
    repacks: () => Promise<boolean> = async () => true,
  ): Promise<{ prefix: string; first: boolean } | undefined> {
    try {
      const { name, size } = await fileIdentity(await realpath(model));
      if (size < this.#minModelBytes || size * growth > this.limit) return undefined;
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const prefix = path.join(this.folder, name);
      const own = (await this.#list()).filter((file) => file.path.startsWith(prefix));
      const now = new Date();
      const whole = own.filter(({ partial }) => !partial);
      for (const file of whole) await utimes(file.path, now, now); // least recently used ones are removed first
      if (whole.length > 0) return { prefix, first: false };
      if (!(await repacks())) return undefined;
      await this.prune(this.limit - size * growth);
      const { bavail, bsize } = await statfs(this.folder);
      return bavail * bsize < 2 * size ? undefined : { prefix, first: true };
    } catch {
      return undefined;
    }
  }

  /** Counts the files and their bytes. */
  async stats(): Promise<{ entries: number; bytes: number }> {
    return countFiles(await this.#list());
  }

  /** Removes the least recently used files until the rest takes at most `bytes`. A process that has mapped a file keeps it. */
  async prune(bytes: number): Promise<void> {
    await pruneFiles(await this.#list(), bytes);
  }

  /** Removes all files and returns how many there were. */
  async clear(): Promise<{ entries: number; bytes: number }> {
    const before = await this.stats();
    for (const file of await this.#list()) await rm(file.path, { force: true });
    return before;
  }

  #list(): Promise<CacheFile[]> {
    return cacheFiles(this.folder, /^[0-9a-f]{64}-[0-9a-f]{16}\.packed(\.partial)?$/, /\.packed$/);
  }
}

/** Repacked weights are at most this much larger than the model file. */
const growth = 1.1;
