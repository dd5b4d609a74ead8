/** Writing files that are whole or not there. */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";

/** Writes a file, by default of this user alone: others see the old content or the new, also after a crash. */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = temporaryName(file);
  try {
    const handle = await open(temporary, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(path.dirname(file));
}

/** Makes what was renamed into a folder stay there after a crash, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined); // Windows opens no folders
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const temporaryEnd = /\.[0-9a-f]{12}\.part$/;

/** A new name beside a file, for content that is not whole yet. */
export function temporaryName(file: string): string {
  return `${file}.${randomBytes(6).toString("hex")}.part`;
}

/** Whether temporaryName() made a name: a process that died may have left the file. */
export const isTemporary = (name: string): boolean => temporaryEnd.test(name);
