/** Fetches a released model into the model folder: the files of its checkpoint, which is then converted, or a ready GGUF file. */
import { mkdir, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { readConfig } from "../convert/checkpoint.js";
import { indexName, readIndex } from "../convert/shards.js";
import { FileError, HubUnreachableError, ModelFileError, UsageError, UserError } from "../errors.js";
import { formatBytes } from "../format.js";
import { type FileType, sizeShare } from "../gguf/file-types.js";
import { chooseFiles } from "./choose.js";
import { download } from "./download.js";
import { bytesHere, discardUnstarted } from "./download-state.js";
import { ggufName, isFile, modelFolder, repoFolder, safeFile } from "./folder.js";
import { type HubOptions, Transient } from "./hub/client.js";
import type { Hub, HubFile } from "./hub/hub.js";
import { openHub } from "./hub/open.js";
import { limiter } from "./limiter.js";
import { lock } from "./lock.js";
import {
  checkpointFolder,
  clearUnstarted,
  configName,
  type Manifest,
  readManifest,
  sameFiles,
  writeManifest,
} from "./manifest.js";
import { defaultHub, elsewhere, formatName, type HubName, hubTitles, type ModelName, parseName } from "./names.js";

export interface PullOptions extends HubOptions {
  /** The type of the GGUF file. */
  type: FileType;
  /** The hub; default: that of the name's prefix, else $OWL3_HUB, else Hugging Face. */
  hub?: HubName;
  /** Branch, tag or commit; default: main, on ModelScope master. */
  revision?: string;
  /** A GGUF file of the repository that is fetched as it is. */
  file?: string;
  folder?: string;
  connections?: number;
  partSize?: number;
  /** Returns the free bytes of a folder's disk, which must hold the pulled and the converted files. */
  freeBytes?: (folder: string) => Promise<number>;
  signal?: AbortSignal;
  onProgress?: (progress: PullProgress) => void;
}

export interface PullProgress {
  bytesDone: number;
  bytesTotal: number;
  filesDone: number;
  filesTotal: number;
}

export interface Pulled {
  /** The model's name, as `owl3 models` lists it. */
  name: string;
  hub: HubName;
  /** owner/name */
  repo: string;
  folder: string;
  /** The GGUF file; if `checkpoint` is given, it is still to be made from it. */
  gguf: string;
  /** The folder of the checkpoint to convert; absent if the GGUF file exists. */
  checkpoint?: string;
  /** Nothing had to be fetched. */
  already: boolean;
  sourceUrl: string;
}

/** A file of the hub and where it goes. */
interface Target {
  file: HubFile;
  target: string;
}

/** A model to pull, its hub and its folder. */
interface Source {
  model: ModelName;
  /** Its name in messages. */
  name: string;
  hub: Hub;
  folder: string;
}

/**
 * Fetches a model. Its config.json comes first, then the index of its weights: if the checkpoint can't be converted, nothing else is fetched. A pull
 * that fails before anything else has arrived leaves no folder. Throws UsageError, UserError, HubUnreachableError, FileError or ModelFileError.
 */
export async function pullModel(name: string, options: PullOptions): Promise<Pulled> {
  const model = parseName(name, options.hub ?? defaultHub(options.env));
  if (options.hub && options.hub !== model.hub)
    throw new UsageError(
      `${JSON.stringify(name)} is a name of ${hubTitles[model.hub]}, not of ${hubTitles[options.hub]}.`,
    );
  const folder = repoFolder(options.folder ?? modelFolder(options.env), model);
  const hub = openHub(model.hub, options);
  try {
    const unlock = await lock(folder, model.repo);
    try {
      return await pullInto({ model, name: formatName(model, options.env), hub, folder }, options);
    } catch (error) {
      await clearUnstarted(folder).catch(() => {});
      if (!(error instanceof Transient) || !error.outOfReach) throw error;
      const other = elsewhere(model);
      throw new HubUnreachableError(error.message, { ...other, hub: hubTitles[other.hub] }, { cause: error });
    } finally {
      await unlock();
    }
  } finally {
    await hub.client.close();
  }
}

/** Records that the GGUF file of a pull was made, and removes the checkpoint if that is wanted. */
export async function finishPull(pulled: Pulled, options: { deleteSource?: boolean } = {}): Promise<void> {
  const manifest = await readManifest(pulled.folder);
  const name = path.basename(pulled.gguf);
  if (manifest && !manifest.gguf.includes(name))
    await writeManifest(pulled.folder, { ...manifest, gguf: [...manifest.gguf, name] });
  if (options.deleteSource) await rm(path.join(pulled.folder, checkpointFolder), { recursive: true, force: true });
}

async function pullInto(source: Source, options: PullOptions): Promise<Pulled> {
  const { model, name, hub, folder } = source;
  const before = await readManifest(folder);
  const pulled = { name, ...model, folder, sourceUrl: hub.pageUrl(model.repo) };
  const manifest = await plan(source, options.revision ?? hub.defaultRevision, before, options);
  const wanted = options.file ? path.basename(options.file) : ggufName(model.repo, options.type);
  const done =
    manifest.gguf.find((file) => file === wanted) ??
    (manifest.into === "" && !options.file ? manifest.gguf[0] : undefined);
  if (done && (await isFile(path.join(folder, done))))
    return { ...pulled, gguf: path.join(folder, done), already: true };
  const into = path.join(folder, manifest.into);
  const targets = manifest.files.map((file) => ({ file, target: safeFile(into, file.path) }));
  const already = await fetchAll(source, manifest, targets, options);
  if (manifest.into === "") {
    const gguf = targets.map(({ target }) => target).find((target) => target.endsWith(".gguf")) as string;
    await writeManifest(folder, { ...manifest, gguf: targets.map(({ target }) => path.basename(target)) });
    return { ...pulled, gguf, already };
  }
  return { ...pulled, gguf: path.join(folder, ggufName(model.repo, options.type)), checkpoint: into, already };
}

/** Chooses the files: by the hub's listing or, offline, by the record of an earlier run. GGUF files that were made of the same files are kept. */
async function plan(
  { model, name, hub }: Source,
  revision: string,
  before: Manifest | undefined,
  options: PullOptions,
): Promise<Manifest> {
  const earlier = before?.repo === model.repo && before.hub === model.hub ? before : undefined;
  if (hub.client.offline) {
    if (earlier && (earlier.revision === revision || earlier.commit === revision)) return earlier;
    throw new UserError(`${name} is not here, and nothing is fetched offline.`);
  }
  const { commit, files: listed } = await hub.snapshot(model.repo, revision, options.signal);
  const files = chooseFiles(name, listed, options);
  const into = files.some(({ path: file }) => file.endsWith(".gguf")) ? "" : checkpointFolder;
  const gguf = earlier?.into === into && sameFiles(earlier.files, files) ? earlier.gguf : [];
  return { ...model, revision, ...(commit && { commit }), files, into, gguf };
}

/** Fetches the files that are missing, and records the pull once the checkpoint is known to be convertible. Returns whether none was missing. */
async function fetchAll(
  { model, name, hub, folder }: Source,
  manifest: Manifest,
  targets: readonly Target[],
  options: PullOptions,
): Promise<boolean> {
  const here = await Promise.all(targets.map(({ file, target }) => bytesHere(file, target)));
  const progress: PullProgress = {
    bytesDone: here.reduce((a, b) => a + b, 0),
    bytesTotal: targets.reduce((sum, { file }) => sum + file.size, 0),
    filesDone: 0,
    filesTotal: targets.length,
  };
  if (!hub.client.offline) await checkSpace(name, progress, manifest, folder, options);
  const report = () => options.onProgress?.({ ...progress });
  report();
  const slot = limiter(options.connections ?? 4);
  // One failure stops the others; the parts that they have fetched are kept.
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  let fetched = 0;
  const fetch = async ({ file, target }: Target) => {
    await mkdir(path.dirname(target), { recursive: true });
    const url = hub.fileUrl(model.repo, manifest.commit ?? manifest.revision, file.path);
    await download(hub.client, url, file, target, {
      slot,
      signal,
      // A commit is the same for ever; a branch may have moved.
      ...(!manifest.commit && {
        isListed: async () => {
          const { files } = await hub.snapshot(model.repo, manifest.revision, signal);
          return files.some(({ path, hash }) => path === file.path && hash?.hex === file.hash.hex);
        },
      }),
      ...(options.partSize && { partSize: options.partSize }),
      onBytes: (bytes) => {
        fetched += Math.max(0, bytes);
        progress.bytesDone += bytes;
        report();
      },
    });
    progress.filesDone++;
    report();
  };
  try {
    const first = manifest.into === checkpointFolder ? await fetchFirst(name, targets, fetch) : [];
    await writeManifest(folder, manifest);
    const rest = targets.filter((target) => !first.includes(target));
    const results = await Promise.allSettled(
      rest.map((target) =>
        fetch(target).catch((error) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    options.signal?.throwIfAborted();
    if (failed.signal.aborted) throw failed.signal.reason;
    if (results.some((result) => result.status === "rejected")) throw new UserError("the download failed.");
  } catch (error) {
    await Promise.all(targets.map(({ file, target }) => discardUnstarted(file, target).catch(() => {})));
    throw error;
  }
  return fetched === 0;
}

/** Fetches config.json and the index, if there is one, and checks that the checkpoint can be converted and has all its shards. Returns both. */
async function fetchFirst(
  name: string,
  targets: readonly Target[],
  fetch: (target: Target) => Promise<void>,
): Promise<Target[]> {
  const config = targets.find(({ file }) => file.path === configName);
  const index = targets.find(({ file }) => file.path === indexName);
  if (config) {
    await fetch(config);
    await readConfig(config.target, `${name}/${configName}`);
  }
  if (index) {
    await fetch(index);
    const shards = (await readIndex(index.target, `${name}/${indexName}`)).values();
    const missing = [...shards].find((shard) => !targets.some(({ file }) => file.path === shard));
    if (missing) throw new ModelFileError(`${name} lists no ${missing.slice(0, 100)}, which its ${indexName} names.`);
  }
  return [config, index].filter((target) => target !== undefined);
}

async function checkSpace(
  name: string,
  progress: PullProgress,
  manifest: Manifest,
  folder: string,
  options: PullOptions,
): Promise<void> {
  const converted = manifest.into === "" ? 0 : progress.bytesTotal * sizeShare(options.type);
  const needed = progress.bytesTotal - progress.bytesDone + converted;
  const free = await (options.freeBytes ?? freeBytes)(folder);
  if (free < needed)
    throw new FileError(`${name} needs ${formatBytes(needed)} more in ${folder}, where ${formatBytes(free)} are free.`);
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
