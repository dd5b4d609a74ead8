/** The record of a pull: pull.json in the model's folder. */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { argsName } from "../convert/origin.js";
import { indexName } from "../convert/shards.js";
import type { HubFile } from "./hub/hub.js";
import { lockName } from "./lock.js";
import { type HubName, isHubName } from "./names.js";

/** The record by which a pull is resumed, and checked offline. */
export interface Manifest {
  hub: HubName;
  repo: string;
  revision: string;
  /** The commit that the files are of; absent on ModelScope, where their hashes pin them. */
  commit?: string;
  files: HubFile[];
  /** The subfolder of the files; "" for ready GGUF files. */
  into: string;
  /** GGUF files in the folder that were made of these files. */
  gguf: string[];
}

const manifestName = "pull.json";
/** The subfolder of a checkpoint's files. */
export const checkpointFolder = "checkpoint";
export const configName = "config.json";

/** Reads the record of an earlier pull; undefined if there is none or it is invalid. One that names no hub is of Hugging Face. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const found = JSON.parse(await readFile(path.join(folder, manifestName), "utf8")) as Manifest;
    const manifest = { ...found, hub: found.hub ?? "hf" };
    const { hub, commit } = manifest;
    const sane =
      isHubName(hub) &&
      typeof manifest.repo === "string" &&
      typeof manifest.revision === "string" &&
      (commit === undefined ? hub !== "hf" : /^[0-9a-f]{40}$/.test(commit)) &&
      (manifest.into === "" || manifest.into === checkpointFolder) &&
      Array.isArray(manifest.files) &&
      manifest.files.every(isRecorded) &&
      Array.isArray(manifest.gguf) &&
      manifest.gguf.every((name) => typeof name === "string" && !/[/\\]/.test(name));
    return sane ? manifest : undefined;
  } catch {
    return undefined;
  }
}

function isRecorded({ path: file, size, hash }: HubFile): boolean {
  const digits = hash.kind === "sha256" ? 64 : 40;
  return (
    typeof file === "string" &&
    Number.isSafeInteger(size) &&
    (hash.kind === "sha256" || hash.kind === "git") &&
    /^[0-9a-f]+$/.test(hash.hex) &&
    hash.hex.length === digits
  );
}

/** Whether two pulls have the same content; what args.json tells changes nothing in the model. */
export function sameFiles(a: readonly HubFile[], b: readonly HubFile[]): boolean {
  const lines = (files: readonly HubFile[]) =>
    files
      .filter((file) => file.path !== argsName)
      .map((file) => `${file.path} ${file.size} ${file.hash.hex}`)
      .sort()
      .join("\n");
  return lines(a) === lines(b);
}

/** Writes the record atomically. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const file = path.join(folder, manifestName);
  await writeFile(`${file}.tmp`, `${JSON.stringify(manifest, null, 1)}\n`);
  await rename(`${file}.tmp`, file);
}

/** Empties the folder of a pull that has fetched nothing but config.json and the index of the weights, except for its lock. */
export async function clearUnstarted(folder: string): Promise<void> {
  const small = [manifestName, configName, indexName, lockName];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  if (entries.some((entry) => !entry.isDirectory() && !small.includes(entry.name))) return;
  for (const name of await readdir(folder))
    if (name !== lockName) await rm(path.join(folder, name), { recursive: true, force: true });
}
