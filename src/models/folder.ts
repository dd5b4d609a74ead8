/** The folders of models and the names that they may have. Every path that is made from a foreign name is made here. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";
import { dataFolder } from "../folders.js";
import { isRepo, type ModelName } from "./names.js";

/** The model folder: $OWL3_HOME, else owl3/models in the XDG data folder. */
export function modelFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.OWL3_HOME) return path.resolve(env.OWL3_HOME);
  return path.join(dataFolder(env), "models");
}

/** The model that comes with the package. */
export const demoModel = fileURLToPath(new URL("../../models/owl3-demo.gguf", import.meta.url));

// No owner has an @ in its name, so no repository of Hugging Face has such a folder.
const modelScopeMark = "ms@";

/** The folder of a model's files inside the model folder: owner--name, for ModelScope ms@owner--name. Throws UsageError. */
export function repoFolder(models: string, { hub, repo }: ModelName): string {
  if (!isRepo(repo)) throw new UsageError(`${JSON.stringify(repo)} names no repository.`);
  const folder = repo.replace("/", "--");
  return path.join(models, hub === "modelscope" ? modelScopeMark + folder : folder);
}

/** The model of a folder that repoFolder() made, or undefined. */
export function modelOfFolder(folder: string): ModelName | undefined {
  const hub = folder.startsWith(modelScopeMark) ? "modelscope" : "hf";
  const repo = (hub === "hf" ? folder : folder.slice(modelScopeMark.length)).replace("--", "/");
  return isRepo(repo) ? { hub, repo } : undefined;
}

/** The name of a repository's converted file. */
export function ggufName(repo: string, type: string): string {
  return `${repo.split("/")[1]}-${type}.gguf`;
}

/** Maps a path inside a repository to one inside `folder`. Throws UsageError for hidden or unusual segments and Windows' device names. */
export function safeFile(folder: string, file: string): string {
  const segments = file.split("/");
  const plain = (s: string) =>
    /^[A-Za-z0-9_][\w.+-]{0,127}$/.test(s) && !/[.]$/.test(s) && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(s);
  if (segments.length > 4 || !segments.every(plain))
    throw new UsageError(
      `the hub names a file ${JSON.stringify(file.slice(0, 100))}, which is no name for a file here.`,
    );
  return path.join(folder, ...segments);
}

/** Whether a path names a regular file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false;
}
