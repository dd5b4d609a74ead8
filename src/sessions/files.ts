/** Files of a session's folder: nothing in it is followed that is a link. */
import { constants, type Stats } from "node:fs";
import { lstat, open } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason, UserError } from "../errors.js";

/** The kind of what has a path; undefined if nothing has. A link is "other". */
export async function kindOf(file: string): Promise<{ kind: "file" | "folder" | "other"; info: Stats } | undefined> {
  const info = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  return info && { kind: info.isFile() ? "file" : info.isDirectory() ? "folder" : "other", info };
}

/** Reads UTF-8 text of at most `max` bytes from a regular file. */
export async function readTextFile(file: string, max: number): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new Error(`${path.basename(file)} is no regular file`);
    if (info.size > max) throw new Error(`${path.basename(file)} is larger than ${max} bytes`);
    return new TextDecoder("utf-8", { fatal: true }).decode(await handle.readFile());
  } finally {
    await handle.close();
  }
}

/** Makes one sentence of the system's errors: what can't be done, and why. */
export async function explained<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new FileError(`${what}: ${systemReason(error).replace(/\.$/, "")}.`, { cause: error });
  }
}
