/** The lock of a model's folder. */
import { mkdir, open, readFile, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { FileError, UserError } from "../errors.js";

export const lockName = "pull.lock";

/**
 * Allows one pull of a model at a time: makes its folder and locks it by a file with the id of the process, which is taken over if that process
 * is gone. Returns the function that unlocks the folder and removes it if nothing else is in it. Throws FileError, or UserError if it is locked.
 */
export async function lock(folder: string, repo: string): Promise<() => Promise<void>> {
  const file = path.join(folder, lockName);
  for (let tries = 0; tries < 3; tries++) {
    await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(`${folder} can't be made: ${error.code ?? error.message}.`, { cause: error });
    });
    try {
      const handle = await open(file, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      return async () => {
        await rm(file, { force: true });
        await rmdir(folder).catch(() => {});
      };
    } catch (error) {
      // The process that had the lock may just have removed its empty folder.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      if ((error as NodeJS.ErrnoException).code !== "EEXIST")
        throw new FileError(`${file} can't be written: ${(error as NodeJS.ErrnoException).code}.`, { cause: error });
      const owner = Number(await readFile(file, "utf8").catch(() => ""));
      if (owner > 0 && isAlive(owner)) throw new UserError(`another owl3 (process ${owner}) is fetching ${repo}.`);
      await rm(file, { force: true });
    }
  }
  throw new UserError(`another owl3 is fetching ${repo}.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
