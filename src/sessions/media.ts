/** The media folder of a session: files named by the SHA-256 of their bytes, so that a medium is kept once and a name says what it holds. */
import { constants } from "node:fs";
import { chmod, copyFile, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileError } from "../errors.js";
import { isTemporary, syncFolder, viaTemporary } from "../files.js";
import { contentHash } from "../media/hash.js";
import { openSource } from "../media/source.js";
import type { Source } from "../prompt/messages.js";
import { kindOf } from "./files.js";
import { isHash, mediumFile, type SessionPaths } from "./names.js";
import type { KeptMedium } from "./record.js";

/** Keeps an opened medium, by a copy that shares its blocks where the file system can. */
export async function keepMedium(paths: SessionPaths, source: Source): Promise<KeptMedium> {
  await mediaFolder(paths);
  const before = await contentHash(source);
  if (await has(paths, before)) return { sha256: before.sha256, size: before.bytes, name: source.name };
  return viaTemporary(path.join(paths.media, before.sha256), async (temporary) => {
    if (source.bytes) await writeFile(temporary, source.bytes, { flag: "wx", mode: 0o600 });
    else await copyFile(source.path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(temporary, 0o600);
    const handle = await open(temporary, "r+");
    await handle.sync().finally(() => handle.close());
    // The file may have changed while it was copied: the name is of what was copied.
    const { sha256, bytes } = source.bytes ? before : await contentHash({ ...source, path: temporary });
    await rename(temporary, mediumFile(paths, sha256));
    await syncFolder(paths.media);
    return { sha256, size: bytes, name: source.name };
  });
}

async function has(paths: SessionPaths, { sha256, bytes }: { sha256: string; bytes: number }): Promise<boolean> {
  const found = await kindOf(mediumFile(paths, sha256));
  return found?.kind === "file" && found.info.size === bytes;
}

async function mediaFolder({ media }: SessionPaths): Promise<void> {
  await mkdir(media, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  if ((await kindOf(media))?.kind !== "folder") throw new FileError(`${media} is no folder.`);
}

/** Opens a kept medium; `session` names the session in errors. Throws FileError. */
export async function openKept(paths: SessionPaths, session: string, medium: KeptMedium): Promise<Source> {
  const found =
    (await kindOf(paths.media))?.kind === "folder" ? await kindOf(mediumFile(paths, medium.sha256)) : undefined;
  if (!found) throw new FileError(`session ${session} lacks its copy of ${medium.name}.`);
  if (found.kind !== "file" || found.info.size !== medium.size)
    throw new FileError(`session ${session}: its copy of ${medium.name} is damaged.`);
  return openSource(mediumFile(paths, medium.sha256), { name: medium.name });
}

/** Removes media that are not among `kept`, and what a process that died has left half-written. Files of others stay. */
export async function removeUnused(paths: SessionPaths, kept: ReadonlySet<string>): Promise<void> {
  if ((await kindOf(paths.media))?.kind === "folder")
    for (const name of await readdir(paths.media))
      if (isHash(name) ? !kept.has(name) : isTemporary(name)) await rm(path.join(paths.media, name), { force: true });
  for (const name of await readdir(paths.folder))
    if (isTemporary(name)) await rm(path.join(paths.folder, name), { force: true });
}
