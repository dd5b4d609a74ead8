/** Lists and removes sessions. */
import type { Dirent } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason, UsageError, UserError } from "../errors.js";
import { viaTemporary } from "../files.js";
import { explained, kindOf } from "./files.js";
import { isSessionName, sessionPaths, sessionsFolder } from "./names.js";
import { mediaOf, type SessionRecord } from "./record.js";
import { lockSession, readRecord } from "./session.js";

export interface ListedSession {
  name: string;
  /** When it was last saved. */
  updated: Date;
  /** Its questions, its different media and the bytes of these; absent where the record is damaged. */
  content?: { questions: number; media: number; bytes: number; record: SessionRecord };
  /** Why it can't be read. */
  damage?: string;
}

/** Lists the sessions, the last saved first. */
export async function listSessions(root: string = sessionsFolder()): Promise<ListedSession[]> {
  const sessions: ListedSession[] = [];
  for (const { name, updated } of await saved(root)) {
    try {
      const record = await readRecord(sessionPaths(root, name), name);
      if (record) sessions.push({ name, updated, content: summary(record) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      sessions.push({ name, updated, damage: error.message });
    }
  }
  return sessions;
}

/** The names of the sessions, the last saved first. */
export async function sessionNames(root: string = sessionsFolder()): Promise<string[]> {
  return (await saved(root)).map(({ name }) => name);
}

/** The name of the session that was saved last, if there is one. */
export async function lastSession(root: string = sessionsFolder()): Promise<string | undefined> {
  return (await sessionNames(root))[0];
}

/** Removes a session and its media. Throws UsageError if there is none, and UserError if another process has it open. */
export async function removeSession(name: string, root: string = sessionsFolder()): Promise<void> {
  const paths = sessionPaths(root, name);
  const there = (await kindOf(paths.folder))?.kind === "folder" && (await kindOf(paths.record));
  if (!there) throw new UsageError(`there is no session ${name}.`);
  const unlock = await lockSession(paths, name);
  await explained(`session ${name} can't be removed`, async () => {
    // Once it is renamed there is no session of this name, whatever becomes of its files, and another process may begin one.
    await viaTemporary(path.join(root, ".removed"), async (aside) => {
      await rename(paths.folder, aside).catch((error) => {
        unlock();
        throw error;
      });
      await rm(aside, { recursive: true, force: true });
    });
  });
}

async function saved(root: string): Promise<{ name: string; updated: Date }[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as Dirent[];
    throw new FileError(`${root} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  const found: { name: string; updated: Date }[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory() || !isSessionName(entry.name)) continue;
    const record = await kindOf(sessionPaths(root, entry.name).record).catch(() => undefined);
    if (record) found.push({ name: entry.name, updated: record.info.mtime });
  }
  return found.sort((a, b) => b.updated.getTime() - a.updated.getTime() || (a.name < b.name ? -1 : 1));
}

function summary(record: SessionRecord): NonNullable<ListedSession["content"]> {
  const media = new Map(mediaOf(record.messages).map(({ sha256, size }) => [sha256, size]));
  return {
    questions: record.messages.filter(({ role }) => role === "user").length,
    media: media.size,
    bytes: [...media.values()].reduce((sum, size) => sum + size, 0),
    record,
  };
}
