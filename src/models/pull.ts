/** Fetches a released model into the model folder: the files of its checkpoint, which is then converted, or a ready GGUF file. */
import { mkdir, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { readConfig } from "../convert/checkpoint.js";
import { maxConfig } from "../convert/json.js";
import { adapterError, isAdapter, isWeights } from "../convert/kind.js";
import { FileError, ModelFileError, SeveralFilesError, UsageError, UserError } from "../errors.js";
import { formatBytes } from "../format.js";
import { type FileType, sizeShare } from "../gguf/file-types.js";
import { download, limiter } from "./download.js";
import { bytesHere, discardUnstarted } from "./download-state.js";
import { ggufName, isFile, modelFolder, repoFolder, repoName, safeFile } from "./folder.js";
import { Hub, type HubFile, type HubOptions } from "./hub.js";
import { lock } from "./lock.js";
import {
  checkpointFolder,
  clearUnstarted,
  configName,
  type Manifest,
  readManifest,
  writeManifest,
} from "./manifest.js";

export interface PullOptions extends HubOptions {
  /** The type of the GGUF file. */
  type: FileType;
  /** Branch, tag or commit; default: main. */
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

/**
 * Fetches a model. Its config.json comes first: if the checkpoint can't be converted, nothing else is fetched. A pull that fails before anything
 * else has arrived leaves no folder. Throws UsageError, UserError, FileError or ModelFileError.
 */
export async function pullModel(name: string, options: PullOptions): Promise<Pulled> {
  const repo = repoName(name);
  const folder = repoFolder(options.folder ?? modelFolder(), repo);
  const hub = new Hub(options);
  try {
    const unlock = await lock(folder, repo);
    try {
      return await pullInto(hub, repo, folder, options);
    } catch (error) {
      await clearUnstarted(folder).catch(() => {});
      throw error;
    } finally {
      await unlock();
    }
  } finally {
    await hub.close();
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

async function pullInto(hub: Hub, repo: string, folder: string, options: PullOptions): Promise<Pulled> {
  const revision = options.revision ?? "main";
  const before = await readManifest(folder);
  const sourceUrl = `${hub.endpoint.href.replace(/\/+$/, "")}/${repo}`;
  const made = (manifest: Manifest) => {
    const wanted = options.file ? path.basename(options.file) : ggufName(repo, options.type);
    return (
      manifest.gguf.find((file) => file === wanted) ??
      (manifest.into === "" && !options.file ? manifest.gguf[0] : undefined)
    );
  };
  const manifest = await plan(hub, repo, revision, before, options);
  const done = made(manifest);
  if (done && (await isFile(path.join(folder, done))))
    return { repo, folder, gguf: path.join(folder, done), already: true, sourceUrl };
  const into = path.join(folder, manifest.into);
  const targets = manifest.files.map((file) => ({ file, target: safeFile(into, file.path) }));
  const already = await fetchAll(hub, repo, manifest, targets, folder, options);
  if (manifest.into === "") {
    const gguf = targets.map(({ target }) => target).find((target) => target.endsWith(".gguf")) as string;
    await writeManifest(folder, { ...manifest, gguf: targets.map(({ target }) => path.basename(target)) });
    return { repo, folder, gguf, already, sourceUrl };
  }
  return { repo, folder, gguf: path.join(folder, ggufName(repo, options.type)), checkpoint: into, already, sourceUrl };
}

/** Chooses the commit and its files: by the hub's listing or, offline, by the record of an earlier run. */
async function plan(
  hub: Hub,
  repo: string,
  revision: string,
  before: Manifest | undefined,
  options: PullOptions,
): Promise<Manifest> {
  if (hub.offline) {
    if (before?.repo === repo && (before.revision === revision || before.commit === revision)) return before;
    throw new UserError(`${repo} is not here, and nothing is fetched offline.`);
  }
  const commit = await hub.commit(repo, revision, options.signal);
  const all = await hub.files(repo, commit, options.signal);
  const chosen = choose(repo, all, options);
  const into = chosen.some(({ path: file }) => file.endsWith(".gguf")) ? "" : checkpointFolder;
  const same = before?.commit === commit && before.into === into && before.repo === repo;
  return { repo, revision, commit, files: chosen, into, gguf: same ? before.gguf : [] };
}

/** Chooses the files of a checkpoint, or the GGUF file of the wanted type. */
function choose(repo: string, files: readonly HubFile[], options: PullOptions): HubFile[] {
  const here = files.filter(({ path: file }) => !file.includes("/"));
  const gguf = files.filter(({ path: file }) => file.endsWith(".gguf"));
  if (options.file) {
    const file = gguf.find(({ path: name }) => name === options.file);
    if (!file) throw new UsageError(`${repo} has no GGUF file ${JSON.stringify(options.file)}.`);
    return [file];
  }
  const checkpoint = here.filter(
    ({ path: file }) => /^(config|generation_config|tokenizer|tokenizer_config)\.json$/.test(file) || isWeights(file),
  );
  if (
    checkpoint.some(({ path: file }) => file.endsWith(".safetensors")) &&
    checkpoint.some(({ path: file }) => file === configName)
  )
    return checkpoint;
  if (gguf.length === 0 && isAdapter(here.map(({ path: file }) => file))) throw adapterError(repo);
  if (gguf.length === 0) throw new UserError(`${repo} holds neither a safetensors checkpoint nor a GGUF file.`);
  const typed = gguf.filter(({ path: file }) => file.toLowerCase().includes(options.type.toLowerCase()));
  const one = gguf.length === 1 ? gguf : typed;
  if (one.length !== 1)
    throw new SeveralFilesError(
      repo,
      gguf.map((file) => file.path),
    );
  return one;
}

/** Fetches the files that are missing, and records the pull once the checkpoint is known to be convertible. Returns whether none was missing. */
async function fetchAll(
  hub: Hub,
  repo: string,
  manifest: Manifest,
  targets: readonly Target[],
  folder: string,
  options: PullOptions,
): Promise<boolean> {
  const here = await Promise.all(targets.map(({ file, target }) => bytesHere(file, target)));
  const progress: PullProgress = {
    bytesDone: here.reduce((a, b) => a + b, 0),
    bytesTotal: targets.reduce((sum, { file }) => sum + file.size, 0),
    filesDone: 0,
    filesTotal: targets.length,
  };
  if (!hub.offline) await checkSpace(progress, manifest, folder, options);
  const report = () => options.onProgress?.({ ...progress });
  report();
  const slot = limiter(options.connections ?? 4);
  // One failure stops the others; the parts that they have fetched are kept.
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  let fetched = 0;
  const fetch = async ({ file, target }: Target) => {
    await mkdir(path.dirname(target), { recursive: true });
    await download(hub, hub.fileUrl(repo, manifest.commit, file.path), file, target, {
      slot,
      signal,
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
    const config =
      manifest.into === checkpointFolder ? targets.find(({ file }) => file.path === configName) : undefined;
    if (config) await fetchConfig(repo, config, fetch);
    await writeManifest(folder, manifest);
    const rest = targets.filter((target) => target !== config);
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

/** Fetches config.json and checks that the checkpoint is one that can be converted. */
async function fetchConfig(repo: string, config: Target, fetch: (target: Target) => Promise<void>): Promise<void> {
  const name = `${repo}/${configName}`;
  if (config.file.size > maxConfig)
    throw new ModelFileError(`${name} has ${config.file.size} bytes; at most ${maxConfig} are allowed.`);
  await fetch(config);
  await readConfig(config.target, name);
}

async function checkSpace(
  progress: PullProgress,
  manifest: Manifest,
  folder: string,
  options: PullOptions,
): Promise<void> {
  const converted = manifest.into === "" ? 0 : progress.bytesTotal * sizeShare(options.type);
  const needed = progress.bytesTotal - progress.bytesDone + converted;
  const free = await (options.freeBytes ?? freeBytes)(folder);
  if (free < needed)
    throw new FileError(
      `${manifest.repo} needs ${formatBytes(needed)} more in ${folder}, where ${formatBytes(free)} are free.`,
    );
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
