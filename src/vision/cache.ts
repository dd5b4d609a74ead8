/**
 * On-disk cache of crop embeddings, keyed by pixels, vision weights and arithmetic: a second question about the same pictures starts at
 * once. An entry holds the image_embeds of one crop in float32, exactly as computed, so answers are the same with and without the cache. No
 * question fails because of it: what can't be read is encoded again, and what can't be written is not kept.
 */
import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rm, unlink, utimes } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "../errors.js";
import { replaceBy } from "../files.js";
import { absolute, homeFolder } from "../folders.js";
import { type CacheFile, cacheFiles, countFiles, fileIdentity, pruneFiles } from "./cache-files.js";

/** The folder of the entries: $OWL3_CACHE_DIR, else owl3/embeds in the user's cache folder. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.OWL3_CACHE_DIR) return env.OWL3_CACHE_DIR;
  const base =
    process.platform === "win32"
      ? (env.LOCALAPPDATA ?? path.join(homeFolder(), "AppData", "Local"))
      : process.platform === "darwin" && !env.XDG_CACHE_HOME
        ? path.join(homeFolder(), "Library", "Caches")
        : (absolute(env.XDG_CACHE_HOME) ?? path.join(homeFolder(), ".cache"));
  return path.join(base, "owl3", "embeds");
}

const defaultLimit = 2e9;

/** The bytes that the cache may take: $OWL3_CACHE_SIZE ("500MB", "2 GB", a number of bytes; 0: no cache), else 2 GB. */
export function cacheLimit(env: NodeJS.ProcessEnv = process.env): number {
  return parseLimit("OWL3_CACHE_SIZE", env.OWL3_CACHE_SIZE, defaultLimit);
}

/** Parses the limit of a cache in the environment variable `name`. Throws UsageError. */
export function parseLimit(name: string, value: string | undefined, fallback: number): number {
  const text = value?.trim();
  if (!text) return fallback;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text);
  if (!match) throw new UsageError(`${name} is "${text}"; expected a size such as 500MB or 2GB, or 0 for no cache.`);
  return Math.floor(Number(match[1]) * 1000 ** " kmgt".indexOf((match[2] || " ").toLowerCase()));
}

/** The shape of an entry: [tokens, hiddenSize]. */
export interface CacheEntryShape {
  tokens: number;
  hiddenSize: number;
}

export class EmbeddingCache {
  readonly folder: string;
  readonly limit: number;
  /** Bytes on disk as far as this process knows; undefined before they are first counted. */
  #known: number | undefined;
  #broken = false;

  constructor(folder: string = cacheFolder(), limit: number = cacheLimit()) {
    this.folder = folder;
    this.limit = limit;
  }

  /**
   * The name of a crop's entry. `weights` is the hash of the vision weights, `arithmetic` names everything else that changes results
   * (version, instruction set, precision), `pixels` is the crop [cropSize, cropSize, 3].
   */
  static key(weights: string, arithmetic: string, pixels: Uint8Array): string {
    return createHash("sha256").update(`owl3 embeds 1\0${weights}\0${arithmetic}\0`).update(pixels).digest("hex");
  }

  /**
   * Reads the embeddings of a crop, [tokens, hiddenSize], or returns null. An entry that is damaged or of another shape is deleted. The values
   * are written to `into`, which is returned; callers reuse it, since the garbage of a new array a crop would outlive many crops.
   */
  async get(
    key: string,
    shape: CacheEntryShape,
    into: Float32Array = new Float32Array(shape.tokens * shape.hiddenSize),
  ): Promise<Float32Array | null> {
    const file = this.#file(key);
    const handle = await open(file).catch(() => null);
    if (handle === null) return null;
    const intact = await readEntry(handle, shape, into)
      .catch(() => false)
      .finally(() => handle.close());
    if (!intact) {
      await unlink(file).catch(() => {});
      return null;
    }
    const now = new Date();
    await utimes(file, now, now).catch(() => {}); // least recently used entries are evicted first
    return into;
  }

  /** Writes the embeddings of a crop atomically: other processes see the whole entry or none. */
  async put(key: string, shape: CacheEntryShape, data: Float32Array): Promise<void> {
    const bytes = data.byteLength + headerBytes;
    if (this.#broken || bytes > this.limit) return;
    const file = this.#file(key);
    try {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      await replaceBy(file, 0o600, async (handle) => {
        await handle.writev([header(shape, data), bytesOf(data)]);
      });
    } catch {
      this.#broken = true; // without space or permission, trying again would only cost time
      return;
    }
    this.#known = (this.#known ?? (await this.stats()).bytes - bytes) + bytes;
    if (this.#known <= this.limit) return;
    // The new entry stays, whatever the times of the others are: they may be of the same tick, or of the future.
    const others = (await this.#list()).filter((other) => other.path !== file);
    this.#known = bytes + (await pruneFiles(others, this.limit * 0.9 - bytes));
  }

  /** Counts the entries and their bytes. */
  async stats(): Promise<{ entries: number; bytes: number }> {
    return countFiles(await this.#list());
  }

  /** Evicts the least recently used entries until the rest takes at most `bytes`, and removes what dead processes left half-written. */
  async prune(bytes: number): Promise<void> {
    this.#known = await pruneFiles(await this.#list(), bytes);
  }

  /** Removes all entries and returns how many there were. */
  async clear(): Promise<{ entries: number; bytes: number }> {
    const before = await this.stats();
    for (const { path: sub } of await this.#folders()) await rm(sub, { recursive: true, force: true });
    await rm(this.#weightsFolder(), { recursive: true, force: true });
    this.#known = 0;
    return before;
  }

  /**
   * The hash of a file's vision weights. It is computed once and then remembered for the file's path, size, time and inode.
   */
  async weightsHash(file: string, compute: () => Promise<string>): Promise<string> {
    const { name } = await fileIdentity(path.resolve(file));
    const note = path.join(this.#weightsFolder(), name);
    const remembered = await readFile(note, "latin1").catch(() => "");
    if (/^[0-9a-f]{64}$/.test(remembered)) return remembered;
    const hash = await compute();
    await mkdir(this.#weightsFolder(), { recursive: true, mode: 0o700 })
      .then(() => replaceBy(note, 0o600, (handle) => handle.writeFile(hash)))
      .catch(() => {}); // it is computed again
    return hash;
  }

  #weightsFolder(): string {
    return path.join(this.folder, "weights");
  }

  #file(key: string): string {
    return path.join(this.folder, key.slice(0, 2), key + suffix);
  }

  /** Lists only folders that this class makes, named by two hex digits: a wrong OWL3_CACHE_DIR must not cost anybody's files. */
  async #folders(): Promise<{ path: string }[]> {
    const all: Dirent[] = await readdir(this.folder, { withFileTypes: true }).catch(() => []);
    return all
      .filter((entry) => entry.isDirectory() && /^[0-9a-f]{2}$/.test(entry.name))
      .map((entry) => ({ path: path.join(this.folder, entry.name) }));
  }

  async #list(): Promise<CacheFile[]> {
    const folders = await this.#folders();
    const files = folders.map((folder) => cacheFiles(folder.path, /^[0-9a-f]{64}\.embeds/, /\.embeds$/));
    return (await Promise.all(files)).flat();
  }
}

const suffix = ".embeds";
const magic = "OWL3EMB1";
/** A header holds the magic, u32 tokens, u32 hiddenSize and the SHA-256 of the values, which follow as little-endian float32. */
const headerBytes = 48;

const bytesOf = (data: Float32Array): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function header(shape: CacheEntryShape, data: Float32Array): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(magic, "latin1");
  bytes.writeUInt32LE(shape.tokens, 8);
  bytes.writeUInt32LE(shape.hiddenSize, 12);
  createHash("sha256").update(bytesOf(data)).digest().copy(bytes, 16);
  return bytes;
}

/** Reads the values of an entry; returns false if it is cut short, damaged or of another shape. */
async function readEntry(handle: FileHandle, shape: CacheEntryShape, into: Float32Array): Promise<boolean> {
  const head = Buffer.alloc(headerBytes);
  const values = bytesOf(into);
  if ((await handle.stat()).size !== headerBytes + values.length) return false;
  if (!(await readAll(handle, head)) || head.toString("latin1", 0, 8) !== magic) return false;
  if (head.readUInt32LE(8) !== shape.tokens || head.readUInt32LE(12) !== shape.hiddenSize) return false;
  if (!(await readAll(handle, values))) return false;
  return createHash("sha256").update(values).digest().equals(head.subarray(16));
}

/** Fills `bytes` from the current position; returns false if the file ends before. */
async function readAll(handle: FileHandle, bytes: Uint8Array): Promise<boolean> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}
