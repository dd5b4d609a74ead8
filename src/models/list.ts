/** Lists and removes the models of the model folder. */
import type { Dirent } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason, UsageError } from "../errors.js";
import { modelFolder, modelOfFolder, repoFolder } from "./folder.js";
import {
  defaultHub,
  formatName,
  type HubName,
  hubNames,
  hubOfPrefix,
  isModelName,
  type ModelName,
  parseName,
  shortName,
} from "./names.js";

export interface InstalledModel {
  /** The name that findModel() knows it by: owner/name, with a prefix where that could be of another hub. */
  name: string;
  hub: HubName;
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

/** Lists the installed models by their folders. */
export async function listModels(
  folder = modelFolder(),
  env: NodeJS.ProcessEnv = process.env,
): Promise<InstalledModel[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as Dirent[];
    throw new FileError(`${folder} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  const models: InstalledModel[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const model = entry.isDirectory() ? modelOfFolder(entry.name) : undefined;
    if (model) models.push(await describe(model, path.join(folder, entry.name), env));
  }
  return models;
}

/** Finds an installed model by its name or short name. Without a prefix it may be of either hub; $OWL3_HUB goes first. */
export async function findModel(
  name: string,
  folder = modelFolder(),
  env: NodeJS.ProcessEnv = process.env,
): Promise<InstalledModel | undefined> {
  if (!isModelName(name)) return undefined;
  const first = hubOfPrefix(name) ?? defaultHub(env);
  const hubs = hubOfPrefix(name) ? [first] : [first, ...hubNames.filter((hub) => hub !== first)];
  for (const hub of hubs) {
    const model = parseName(name, hub);
    const where = repoFolder(folder, model);
    if ((await stat(where).catch(() => null))?.isDirectory()) return describe(model, where, env);
  }
  return undefined;
}

/** Removes a model and returns its description. Throws UsageError if it is not installed. */
export async function removeModel(
  name: string,
  folder = modelFolder(),
  env: NodeJS.ProcessEnv = process.env,
): Promise<InstalledModel> {
  const model = await findModel(name, folder, env);
  if (!model) throw new UsageError(`${formatName(parseName(name, defaultHub(env)), env)} is not in ${folder}.`);
  await rm(model.folder, { recursive: true, force: true });
  return model;
}

async function describe(model: ModelName, folder: string, env: NodeJS.ProcessEnv): Promise<InstalledModel> {
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
  const short = shortName(model);
  const name = formatName(model, env);
  return { name, hub: model.hub, ...(short && { short }), folder, gguf, bytes, partial: gguf.length === 0 };
}
