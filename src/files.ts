/** Writing files that are whole or not there. */
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onInterrupt } from "./cleanup.js";

/** Writes a file, by default of this user alone: others see the old content or the new, also after a crash. */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  await replaceBy(file, mode, async (handle) => {
    await handle.writeFile(text);
    await handle.sync();
  });
  await syncFolder(path.dirname(file));
}

/** Has `fill` write a new file, which takes the place of `file` when it is done. */
export async function replaceBy(
  file: string,
  mode: number,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  await viaTemporary(file, async (temporary) => {
    // An interruption removes it from the main thread. It must not find nothing because another thread is about to make it.
    closeSync(openSync(temporary, "wx", mode));
    const handle = await open(temporary, "r+");
    await fill(handle).finally(() => handle.close());
    await rename(temporary, file);
  });
}

/** Calls `work` with a new name beside `file`. What has that name when it fails, or when the process is interrupted, is removed. */
export async function viaTemporary<T>(file: string, work: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryName(file);
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  const forget = onInterrupt(remove);
  try {
    return await work(temporary);
  } catch (error) {
    remove();
    throw error;
  } finally {
    forget();
  }
}

/** Makes a folder among the system's temporary files. It goes when `remove` is called, or when the process is interrupted. */
export function temporaryFolder(prefix: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  const forget = onInterrupt(clean);
  return {
    folder,
    remove: () => {
      forget();
      clean();
    },
  };
}

/** Makes what was renamed into a folder stay there after a crash, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined); // Windows opens no folders
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const temporaryEnd = /\.[0-9a-f]{12}\.part$/;

/** A new name beside a file, for content that is not whole yet. */
function temporaryName(file: string): string {
  return `${file}.${randomBytes(6).toString("hex")}.part`;
}

/** Whether viaTemporary() made a name: a process that died may have left the file. */
export const isTemporary = (name: string): boolean => temporaryEnd.test(name);
