/** The lock of a model's folder. */
import { mkdir, rmdir } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";
import { lockFile } from "../lock.js";

export const lockName = "pull.lock";

/**
 * Allows one pull of a model at a time: makes its folder and locks it. Returns the function that unlocks the folder and removes it if nothing else
 * is in it. Throws FileError, or UserError if it is locked.
 */
export async function lock(folder: string, repo: string): Promise<() => Promise<void>> {
  const busy = (owner: string): string => `another owl3 (${owner}) is fetching ${repo}.`;
  const make = async (): Promise<() => void> => {
    await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(`${folder} can't be made: ${systemReason(error)}.`, { cause: error });
    });
    return lockFile(path.join(folder, lockName), busy);
  };
  // The process that had the lock may just have removed its empty folder.
  const unlock = await make().catch((error) => {
    if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
    return make();
  });
  return async () => {
    unlock();
    await rmdir(folder).catch(() => {});
  };
}
