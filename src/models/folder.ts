/** The folders of models and the names that they may have. Every path that is made from a foreign name is made here. */
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";

/** The model folder: $OWL3_HOME, else owl3/models in the XDG data folder. */
export function modelFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.OWL3_HOME) return path.resolve(env.OWL3_HOME);
  const data = absolute(env.XDG_DATA_HOME) ?? path.join(homedir(), ".local/share");
  return path.join(data, "owl3/models");
}

/** The user's settings: owl3/config.json in the XDG config folder. */
export function configPath(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(absolute(env.XDG_CONFIG_HOME) ?? path.join(homedir(), ".config"), "owl3/config.json");
}

/** The model that comes with the package. */
export const demoModel = fileURLToPath(new URL("../../models/owl3-demo.gguf", import.meta.url));

/** Short names of released checkpoints. */
export const shortNames: Readonly<Record<string, string>> = {
  "7b": "mPLUG/mPLUG-Owl3-7B-241101",
  "2b": "mPLUG/mPLUG-Owl3-2B-241014",
  "1b": "mPLUG/mPLUG-Owl3-1B-241014",
  "7b-240728": "mPLUG/mPLUG-Owl3-7B-240728",
};

/** Resolves a name or short name to owner/name of a repository. Throws UsageError. */
export function repoName(name: string): string {
  const repo = shortNames[name.toLowerCase()] ?? name;
  if (
    !/^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(repo) ||
    repo.includes("..") ||
    /\.(git|ipc)$/.test(repo)
  )
    throw new UsageError(
      `${JSON.stringify(name)} names no model: expected ${Object.keys(shortNames).join(", ")} or OWNER/NAME.`,
    );
  return repo;
}

/** Whether repoName() accepts a name. */
export function isRepoName(name: string): boolean {
  try {
    repoName(name);
    return true;
  } catch {
    return false;
  }
}

/** The folder of a repository's files inside the model folder: owner--name. */
export function repoFolder(models: string, repo: string): string {
  return path.join(models, repoName(repo).replace("/", "--"));
}

/** The repository of a folder that repoFolder() made, or undefined. */
export function repoOfFolder(folder: string): string | undefined {
  const repo = folder.replace("--", "/");
  return isRepoName(repo) && !(repo in shortNames) ? repo : undefined;
}

/** The name of a repository's converted file. */
export function ggufName(repo: string, type: string): string {
  return `${repoName(repo).split("/")[1]}-${type}.gguf`;
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

const absolute = (folder: string | undefined) => (folder && path.isAbsolute(folder) ? folder : undefined);

/** Whether a path names a regular file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false;
}
