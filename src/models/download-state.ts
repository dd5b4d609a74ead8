/** The state of a download that goes on in a later run: FILE.part.json beside FILE.part. */
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import type { HubFile } from "./hub/hub.js";

export interface State {
  size: number;
  hash: string;
  partSize: number;
  /** The sha256 of each part as it arrived; null for one that is missing. */
  parts: (string | null)[];
}

export const partPath = (target: string) => `${target}.part`;
export const statePath = (target: string) => `${target}.part.json`;
/** Bytes of part i; the last one may be shorter. */
export const lengthOf = (state: State, i: number) => Math.min(state.partSize, state.size - i * state.partSize);

export function freshState(file: HubFile, partSize: number): State {
  const parts = new Array<null>(Math.ceil(file.size / partSize)).fill(null);
  return { size: file.size, hash: file.hash.hex, partSize, parts };
}

/** Reads the state that an earlier run left for this file; undefined if there is none or it is invalid. */
export async function readState(target: string, file: HubFile): Promise<State | undefined> {
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

/** Writes the state atomically. */
export async function writeState(target: string, state: State): Promise<void> {
  const file = statePath(target);
  await writeFile(`${file}.tmp`, JSON.stringify(state));
  await rename(`${file}.tmp`, file);
}

/** Counts the bytes of a file that an earlier run fetched. */
export async function bytesHere(file: HubFile, target: string): Promise<number> {
  if ((await stat(target).catch(() => null))?.size === file.size) return file.size;
  const state = await readState(target, file);
  return state ? state.parts.reduce((sum, part, i) => sum + (part ? lengthOf(state, i) : 0), 0) : 0;
}

/** Removes what a download has left of a file of which no part has arrived. */
export async function discardUnstarted(file: HubFile, target: string): Promise<void> {
  if ((await bytesHere(file, target)) > 0) return;
  await rm(partPath(target), { force: true });
  await rm(statePath(target), { force: true });
}
