/**
 * Downloads one file of a hub in parts, over several connections. The parts that have arrived are kept in FILE.part, and their hashes beside
 * it in FILE.part.json, so that a later run resumes; the file gets its name only when its hash is that of the hub.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { FileError, systemReason, UserError } from "../errors.js";
import { freshState, lengthOf, partPath, readState, type State, statePath, writeState } from "./download-state.js";
import { type Client, reasonOf, Transient } from "./hub/client.js";
import type { HubFile } from "./hub/hub.js";
import { limiter } from "./limiter.js";

export const defaultPartSize = 16 * 2 ** 20;
const readSize = 2 ** 20;

export interface DownloadOptions {
  /** Bytes of a part; a download that has begun keeps its own. */
  partSize?: number;
  signal?: AbortSignal;
  /** Called with the number of bytes that arrived; it is negative for bytes that were damaged and are fetched again. */
  onBytes?: (bytes: number) => void;
  /** Runs one fetch when a connection is free. */
  slot?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Whether the hub still lists the file as it did; asked when all has arrived and the hash is another one. */
  isListed?: () => Promise<boolean>;
}

/** Fetches `url` to `target`; resolves when its hash is right and it has its name. */
export async function download(
  client: Client,
  url: URL,
  file: HubFile,
  target: string,
  options: DownloadOptions = {},
): Promise<void> {
  // A run that was killed may have named the file, and then not removed its state.
  if (await isComplete(file, target)) return rm(statePath(target), { force: true });
  try {
    await new Download(client, url, file, target, options).run();
  } catch (error) {
    throw explainWriting(error, target);
  }
}

/** Whether `target` exists and has the hash that the hub lists. */
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

  readonly #client: Client;
  readonly #url: URL;
  readonly #file: HubFile;
  readonly #target: string;
  readonly #options: DownloadOptions;

  constructor(client: Client, url: URL, file: HubFile, target: string, options: DownloadOptions) {
    this.#client = client;
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
      // The whole file is hashed in order while parts arrive, which also finds parts that were damaged on the disk.
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
      if (!matches) {
        const isListed = (await this.#options.isListed?.()) ?? true;
        if (!isListed || !(await this.#repair())) {
          await this.#discard();
          if (!isListed) throw this.#hasChanged();
          throw new UserError(
            `${file.path} arrives damaged each time: its hash is not the one that ${this.#client.endpoint.host} lists.`,
          );
        }
      }
      await this.#handle.sync();
    } finally {
      await this.#handle.close().catch(() => {});
      await this.#saving.catch(() => {});
    }
    await rename(partPath(target), target);
    await rm(statePath(target), { force: true });
  }

  /** Hashes the file part by part as they arrive; a part that was damaged on the disk is fetched again. Returns whether the hash is right. */
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

  /** Repairs a file that was damaged on its way: fetches part after part again until one that differs makes the hash right. */
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
      await this.#client.retrying(
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

  /** Yields the bytes from `from` to `to`; throws Transient if the connection ends before. */
  async *#bytes(from: number, to: number): AsyncGenerator<Uint8Array> {
    if (from === to) return;
    const [file, client, signal] = [this.#file, this.#client, this.#signal] as const;
    const whole = from === 0 && to === file.size;
    const headers: Record<string, string> = whole ? {} : { range: `bytes=${from}-${to - 1}` };
    const { response, linked } = await client.get(this.#url, file.path, headers, signal);
    const stop = () => response.body?.cancel().catch(() => {});
    // If the hub now names another hash of the content, the file has changed since it was listed.
    if (file.hash.kind === "sha256" && linked && linked !== file.hash.hex) {
      await stop();
      throw this.#hasChanged();
    }
    const range = response.headers.get("content-range");
    if (!whole && (response.status !== 206 || range !== `bytes ${from}-${to - 1}/${file.size}`)) {
      await client.throwIfRefusal(response, file.path, signal);
      if (response.status === 206)
        throw new Transient(`${client.endpoint.host} sent another part of ${file.path} than was requested.`);
      throw new Transient(`${client.endpoint.host} does not serve parts of ${file.path}.`);
    }
    const length = response.headers.get("content-length");
    if (length !== null && !response.headers.has("content-encoding") && Number(length) !== to - from) {
      await client.throwIfRefusal(response, file.path, signal);
      throw new Transient(`${client.endpoint.host} serves ${file.path} in another length than it listed.`);
    }
    let left = to - from;
    try {
      for await (const bytes of response.body ?? []) {
        if (bytes.length > left)
          throw new Transient(`${client.endpoint.host} sent more of ${file.path} than was requested.`);
        left -= bytes.length;
        yield bytes;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UserError || isDiskError(error)) throw error;
      throw new Transient(`the download of ${file.path} broke off: ${reasonOf(error)}.`, { cause: error });
    }
    if (left > 0) throw new Transient(`the download of ${file.path} broke off.`);
  }

  #hasChanged(): UserError {
    const { host } = this.#client.endpoint;
    return new UserError(`${this.#file.path} has changed since ${host} listed it: run the command again.`);
  }

  /** Removes what has arrived. */
  async #discard(): Promise<void> {
    await this.#handle.close();
    await this.#saving;
    await rm(partPath(this.#target), { force: true });
    await rm(statePath(this.#target), { force: true });
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => writeState(this.#target, this.#state));
    return this.#saving;
  }
}

/** Starts the hash of a file; git hashes it as "blob SIZE\0CONTENT". */
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

const diskCodes = ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EIO"];

const isDiskError = (error: unknown) => diskCodes.includes((error as NodeJS.ErrnoException)?.code ?? "");

function explainWriting(error: unknown, target: string): unknown {
  if (!isDiskError(error)) return error;
  return new FileError(
    `${target} can't be written: ${systemReason(error)}; run the command again to go on where it stopped.`,
    {
      cause: error,
    },
  );
}
