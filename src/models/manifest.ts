/** The record of a pull: pull.json in the model's folder. */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { HubFile } from "./hub.js";
import { lockName } from "./lock.js";

/** The record by which a pull is resumed, and checked offline. */
export interface Manifest {
  repo: string;
  revision: string;
  commit: string;
  files: HubFile[];
  /** The subfolder of the files; "" for ready GGUF files. */
  into: string;
  /** GGUF files in the folder that belong to this commit. */
  gguf: string[];
}

const manifestName = "pull.json";
/** The subfolder of a checkpoint's files. */
export const checkpointFolder = "checkpoint";
export const configName = "config.json";

/** Reads the record of an earlier pull; undefined if there is none or it is invalid. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(path.join(folder, manifestName), "utf8")) as Manifest;
    const sane =
      typeof manifest.repo === "string" &&
      typeof manifest.revision === "string" &&
      /^[0-9a-f]{40}$/.test(manifest.commit) &&
      (manifest.into === "" || manifest.into === checkpointFolder) &&
      Array.isArray(manifest.files) &&
      manifest.files.every(
        (f) => typeof f.path === "string" && Number.isSafeInteger(f.size) && /^[0-9a-f]+$/.test(f.hash.hex),
      ) &&
      Array.isArray(manifest.gguf) &&
      manifest.gguf.every((name) => typeof name === "string" && !/[/\\]/.test(name));
    return sane ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the record atomically. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const file = path.join(folder, manifestName);
  await writeFile(`${file}.tmp`, `${JSON.stringify(manifest, null, 1)}\n`);
  await rename(`${file}.tmp`, file);
}

/** Empties the folder of a pull that has fetched nothing but config.json, except for its lock. */
export async function clearUnstarted(folder: string): Promise<void> {
  const small = [manifestName, configName, lockName];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  if (entries.some((entry) => !entry.isDirectory() && !small.includes(entry.name))) return;
  for (const name of await readdir(folder))
    if (name !== lockName) await rm(path.join(folder, name), { recursive: true, force: true });
}
