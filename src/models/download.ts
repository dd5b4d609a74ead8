/**
 * One file from a hub, in parts that several connections fetch. What has arrived is kept in FILE.part with a list of the parts' own hashes
 * beside it (FILE.part.json), so that a later run goes on; the file gets its name only when its hash is the hub's.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { FileError, UserError } from "../errors.js";
import { type Hub, type HubFile, reasonOf, Transient } from "./hub.js";

export const defaultPartSize = 16 * 2 ** 20;
const readSize = 2 ** 20;

export interface DownloadOptions {
  /** Bytes a part; a file's own once it has begun. */
  partSize?: number;
  signal?: AbortSignal;
  /** Bytes that arrived (negative: bytes that turned out to be damaged and are fetched again). */
  onBytes?: (bytes: number) => void;
  /** Runs one fetch when a connection is free. */
  slot?: <T>(work: () => Promise<T>) => Promise<T>;
}

interface State {
  size: number;
  hash: string;
  partSize: number;
  /** sha256 of each part as it arrived; null: not here yet. */
  parts: (string | null)[];
}

/** Bytes of a file that are here from an earlier run. */
export async function bytesHere(file: HubFile, target: string): Promise<number> {
  if ((await stat(target).catch(() => null))?.size === file.size) return file.size;
  const state = await readState(target, file);
  return state ? state.parts.reduce((sum, part, i) => sum + (part ? lengthOf(state, i) : 0), 0) : 0;
}

/** Fetches `url` to `target`; resolves when its hash is right and it has its name. */
export async function download(
  hub: Hub,
  url: URL,
  file: HubFile,
  target: string,
  options: DownloadOptions = {},
): Promise<void> {
  if (await isComplete(file, target)) return;
  try {
    await new Download(hub, url, file, target, options).run();
  } catch (error) {
    throw explainWriting(error, target);
  }
}

/** True when `target` is there with the hub's hash. */
export async function isComplete(file: HubFile, target: string): Promise<boolean> {
  if ((await stat(target).catch(() => null))?.size !== file.size) return false;
  const handle = await open(target, "r");
  try {
    const hash = wholeHash(file);
    for await (const bytes of slices(handle, 0, file.size)) hash.update(bytes);
    return hash.digest("hex") === file.hash.hex;
  } finally {
    await handle.close();
  }
}

class Download {
  #state!: State;
  #handle!: FileHandle;
  #saving: Promise<void> = Promise.resolve();
  /** Aborts the other parts when one has failed for good. */
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #slot: <T>(work: () => Promise<T>) => Promise<T>;

  readonly #hub: Hub;
  readonly #url: URL;
  readonly #file: HubFile;
  readonly #target: string;
  readonly #options: DownloadOptions;

  constructor(hub: Hub, url: URL, file: HubFile, target: string, options: DownloadOptions) {
    this.#hub = hub;
    this.#url = url;
    this.#file = file;
    this.#target = target;
    this.#options = options;
    this.#slot = options.slot ?? limiter(4);
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#failed.signal]) : this.#failed.signal;
  }

  async run(): Promise<void> {
    const [file, target] = [this.#file, this.#target] as const;
    const before = await readState(target, file);
    this.#state = before ?? freshState(file, this.#options.partSize ?? defaultPartSize);
    this.#handle = await open(partPath(target), before ? "r+" : "w+", 0o644);
    try {
      await this.#handle.truncate(file.size);
      if (!before) await this.#save();
      // In order, behind the fetching: the whole file's hash, which also finds parts that were damaged on the disk.
      const fetches = this.#state.parts.map((part, i) => (part ? undefined : this.#fetchPart(i)));
      for (const fetch of fetches) fetch?.catch((error) => this.#failed.abort(error));
      let matches: boolean;
      try {
        matches = await this.#verify(fetches);
      } catch (error) {
        this.#failed.abort(error);
        await Promise.allSettled(fetches);
        throw this.#failed.signal.reason ?? error;
      }
      if (!matches && !(await this.#repair())) {
        await this.#handle.close();
        await this.#saving;
        await rm(partPath(target), { force: true });
        await rm(statePath(target), { force: true });
        throw new UserError(
          `${file.path} arrives damaged each time: its hash is not the one ${this.#hub.endpoint.host} names.`,
        );
      }
      await this.#handle.sync();
    } finally {
      await this.#handle.close().catch(() => {});
      await this.#saving.catch(() => {});
    }
    await rename(partPath(target), target);
    await rm(statePath(target), { force: true });
  }

  /** Hashes the whole file part by part as they arrive; a part that the disk has lost is fetched again. */
  async #verify(fetches: readonly (Promise<void> | undefined)[]): Promise<boolean> {
    let hash = wholeHash(this.#file);
    for (let i = 0; i < this.#state.parts.length; i++) {
      await fetches[i];
      for (let tries = 0; ; tries++) {
        const whole = hash.copy();
        if ((await this.#hashPart(i, whole)) === this.#state.parts[i]) {
          hash = whole;
          break;
        }
        if (tries === 3)
          throw new FileError(`${partPath(this.#target)} does not keep what is written to it: the disk is faulty.`);
        this.#options.onBytes?.(-lengthOf(this.#state, i));
        await this.#fetchPart(i);
      }
    }
    return hash.digest("hex") === this.#file.hash.hex;
  }

  /** Something was damaged on its way: fetches part after part again until one that differs makes the file right. */
  async #repair(): Promise<boolean> {
    for (let i = 0; i < this.#state.parts.length; i++) {
      const before = this.#state.parts[i];
      this.#options.onBytes?.(-lengthOf(this.#state, i));
      await this.#fetchPart(i);
      if (this.#state.parts[i] !== before && (await this.#verify([]))) return true;
    }
    return false;
  }

  async #hashPart(i: number, whole: Hash): Promise<string> {
    const part = createHash("sha256");
    const from = i * this.#state.partSize;
    for await (const bytes of slices(this.#handle, from, from + lengthOf(this.#state, i))) {
      this.#signal.throwIfAborted();
      part.update(bytes);
      whole.update(bytes);
    }
    return part.digest("hex");
  }

  async #fetchPart(i: number): Promise<void> {
    await this.#slot(async () => {
      this.#signal.throwIfAborted();
      const begin = i * this.#state.partSize;
      const end = begin + lengthOf(this.#state, i);
      const hash = createHash("sha256");
      let at = begin;
      let last = begin;
      await this.#hub.retrying(
        async () => {
          for await (const bytes of this.#bytes(at, end)) {
            await writeAll(this.#handle, bytes, at);
            hash.update(bytes);
            at += bytes.length;
            this.#options.onBytes?.(bytes.length);
          }
        },
        () => {
          const more = at > last;
          last = at;
          return more;
        },
        this.#signal,
      );
      this.#state.parts[i] = hash.digest("hex");
      await this.#save();
    });
  }

  /** The bytes from `from` to `to`, or as many as come before the connection ends (then throws Transient). */
  async *#bytes(from: number, to: number): AsyncGenerator<Uint8Array> {
    if (from === to) return;
    const [file, hub, signal] = [this.#file, this.#hub, this.#signal] as const;
    const whole = from === 0 && to === file.size;
    const headers: Record<string, string> = whole ? {} : { range: `bytes=${from}-${to - 1}` };
    const { response, linked } = await hub.get(this.#url, file.path, headers, signal);
    const stop = () => response.body?.cancel().catch(() => {});
    // The hub names the content's hash (large files); another one means that what it serves is not what it listed.
    if (file.hash.kind === "sha256" && linked && /^[0-9a-f]{64}$/.test(linked) && linked !== file.hash.hex) {
      await stop();
      throw new UserError(`${file.path} is another file now than ${hub.endpoint.host} listed: run the command again.`);
    }
    const range = response.headers.get("content-range");
    if (!whole && (response.status !== 206 || range !== `bytes ${from}-${to - 1}/${file.size}`)) {
      await stop();
      if (response.status === 206)
        throw new Transient(`${hub.endpoint.host} sends another part of ${file.path} than was asked for.`);
      throw new Transient(`${hub.endpoint.host} does not send parts of ${file.path}.`);
    }
    const length = response.headers.get("content-length");
    if (length !== null && !response.headers.has("content-encoding") && Number(length) !== to - from) {
      await stop();
      throw new Transient(`${hub.endpoint.host} sends ${file.path} in another length than it listed.`);
    }
    let left = to - from;
    try {
      for await (const bytes of response.body ?? []) {
        if (bytes.length > left)
          throw new Transient(`${hub.endpoint.host} sends more of ${file.path} than was asked for.`);
        left -= bytes.length;
        yield bytes;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UserError || isDiskError(error)) throw error;
      throw new Transient(`the download of ${file.path} broke off: ${reasonOf(error)}.`, undefined, { cause: error });
    }
    if (left > 0) throw new Transient(`the download of ${file.path} broke off.`);
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const file = statePath(this.#target);
      await writeFile(`${file}.tmp`, JSON.stringify(this.#state));
      await rename(`${file}.tmp`, file);
    });
    return this.#saving;
  }
}

/** Runs at most `n` works at a time, first come, first served. */
export function limiter(n: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= n) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

const partPath = (target: string) => `${target}.part`;
const statePath = (target: string) => `${target}.part.json`;
const lengthOf = (state: State, i: number) => Math.min(state.partSize, state.size - i * state.partSize);

function freshState(file: HubFile, partSize: number): State {
  const parts = new Array<null>(Math.ceil(file.size / partSize)).fill(null);
  return { size: file.size, hash: file.hash.hex, partSize, parts };
}

/** What an earlier run noted about this very file, if it makes sense. */
async function readState(target: string, file: HubFile): Promise<State | undefined> {
  try {
    const state = JSON.parse(await readFile(statePath(target), "utf8")) as State;
    const sane =
      state.size === file.size &&
      state.hash === file.hash.hex &&
      Number.isSafeInteger(state.partSize) &&
      state.partSize > 0 &&
      Array.isArray(state.parts) &&
      state.parts.length === Math.ceil(file.size / state.partSize) &&
      state.parts.every((part) => part === null || /^[0-9a-f]{64}$/.test(part));
    return sane && (await stat(partPath(target))).isFile() ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Git hashes a file as "blob SIZE\0CONTENT". */
function wholeHash(file: HubFile): Hash {
  return file.hash.kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${file.size}\0`);
}

async function* slices(handle: FileHandle, from: number, to: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(readSize, to - from));
  for (let at = from; at < to; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, to - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

const diskCodes: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "your disk quota is used up",
  EFBIG: "the file system takes no file of that size",
  EROFS: "the file system is read-only",
  EACCES: "permission is denied",
  EIO: "the disk has an error",
};

const isDiskError = (error: unknown) => ((error as NodeJS.ErrnoException)?.code ?? "") in diskCodes;

function explainWriting(error: unknown, target: string): unknown {
  const reason = diskCodes[(error as NodeJS.ErrnoException)?.code ?? ""];
  if (!reason) return error;
  return new FileError(`${target} can't be written: ${reason}; run the command again to go on where it stopped.`, {
    cause: error,
  });
}
