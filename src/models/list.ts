/** Lists and removes the models of the model folder. */
import type { Dirent } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { FileError, UsageError } from "../errors.js";
import { isRepoName, modelFolder, repoFolder, repoName, repoOfFolder, shortNames } from "./folder.js";

export interface InstalledModel {
  /** owner/name */
  name: string;
  /** Its short name, such as "7b", if it has one. */
  short?: string;
  folder: string;
  /** The files that a chat can open, the newest first. */
  gguf: { path: string; bytes: number; modified: Date }[];
  /** Bytes of all its files on the disk. */
  bytes: number;
  /** Whether its download is not finished or its checkpoint not converted. */
  partial: boolean;
}

/** Lists the installed models by name. */
export async function listModels(folder = modelFolder()): Promise<InstalledModel[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as Dirent[];
    throw new FileError(`${folder} can't be read: ${error.code ?? error.message}.`, { cause: error });
  });
  const models: InstalledModel[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = entry.isDirectory() ? repoOfFolder(entry.name) : undefined;
    if (name) models.push(await describe(name, path.join(folder, entry.name)));
  }
  return models;
}

/** Finds an installed model by its name or short name. */
export async function findModel(name: string, folder = modelFolder()): Promise<InstalledModel | undefined> {
  if (!isRepoName(name)) return undefined;
  const repo = repoName(name);
  const where = repoFolder(folder, repo);
  return (await stat(where).catch(() => null))?.isDirectory() ? describe(repo, where) : undefined;
}

/** Removes a model and returns its description. Throws UsageError if it is not installed. */
export async function removeModel(name: string, folder = modelFolder()): Promise<InstalledModel> {
  const model = await findModel(name, folder);
  if (!model) throw new UsageError(`${repoName(name)} is not in ${folder}.`);
  await rm(model.folder, { recursive: true, force: true });
  return model;
}

async function describe(name: string, folder: string): Promise<InstalledModel> {
  const gguf: InstalledModel["gguf"] = [];
  let bytes = 0;
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const file = path.join(at, entry.name);
      if (entry.isDirectory()) await walk(file);
      else if (entry.isFile()) {
        const info = await stat(file);
        bytes += info.size;
        if (at === folder && file.endsWith(".gguf")) gguf.push({ path: file, bytes: info.size, modified: info.mtime });
      }
    }
  };
  await walk(folder);
  gguf.sort((a, b) => b.modified.getTime() - a.modified.getTime());
  const short = Object.entries(shortNames).find(([, repo]) => repo === name)?.[0];
  return { name, ...(short && { short }), folder, gguf, bytes, partial: gguf.length === 0 };
}
