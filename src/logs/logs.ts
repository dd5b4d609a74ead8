/**
 * The log of questions and answers: a line of JSON for each answer, in a file for each month. Nothing is logged until the user switches it on. Media
 * are named by path and hash; their bytes are not in the log.
 */
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { FileError, systemReason } from "../errors.js";
import { dataFolder } from "../folders.js";
import { type LogEntry, parseEntry } from "./entry.js";

/** The folder of the log. */
export function logsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(dataFolder(env), "logs");
}

/** Exists while answers are logged. */
const switchName = "on";

/** Whether answers are logged: the user has switched it on, and $OWL3_NO_LOG is not set. */
export async function isLogging(folder = logsFolder(), env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  return !isPrivate(env) && (await isSwitchedOn(folder));
}

/** Whether $OWL3_NO_LOG forbids logging. */
export function isPrivate(env: NodeJS.ProcessEnv = process.env): boolean {
  return (env.OWL3_NO_LOG ?? "") !== "" && env.OWL3_NO_LOG !== "0";
}

export async function isSwitchedOn(folder = logsFolder()): Promise<boolean> {
  return (await stat(path.join(folder, switchName)).catch(() => undefined)) !== undefined;
}

/** Switches logging on or off for all later answers; what was logged stays. Throws FileError. */
export async function switchLogs(on: boolean, folder = logsFolder()): Promise<void> {
  const file = path.join(folder, switchName);
  await attempt(folder, "written", async () => {
    if (!on) return rm(file, { force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(file, "", { mode: 0o600 });
  });
}

/** Appends an entry: one write for the whole line, so that processes may log at the same time. Throws FileError. */
export async function addEntry(entry: LogEntry, folder = logsFolder()): Promise<void> {
  const file = path.join(folder, `${entry.time.slice(0, 7)}.jsonl`);
  await attempt(file, "written", async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const handle = await open(file, "a+", 0o600);
    try {
      await handle.chmod(0o600);
      // A full disk may have torn the last line.
      const { size } = await handle.stat();
      const { buffer } = await handle.read(Buffer.alloc(1, "\n"), 0, 1, Math.max(0, size - 1));
      await handle.write(`${buffer[0] === 10 ? "" : "\n"}${JSON.stringify(entry)}\n`);
    } finally {
      await handle.close();
    }
  });
}

export interface Query {
  /** The number of entries at most. */
  count: number;
  /** Only entries with this text in the question or the answer, in capital or small letters. */
  text?: string | undefined;
}

/** Finds the newest entries and returns them from old to new, with the number of lines that are no entries. Throws FileError. */
export async function readEntries(
  { count, text }: Query,
  folder = logsFolder(),
): Promise<{ entries: LogEntry[]; damaged: number }> {
  const wanted = text?.normalize("NFC").toLowerCase();
  let entries: LogEntry[] = [];
  let damaged = 0;
  for (const file of (await logFiles(folder)).reverse()) {
    if (entries.length >= count) break;
    const found: LogEntry[] = [];
    await attempt(file, "read", async () => {
      for await (const line of createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Infinity })) {
        if (line === "") continue;
        const entry = parseEntry(line);
        if (!entry) damaged++;
        else if (wanted === undefined || holds(entry, wanted)) found.push(entry);
        if (found.length > count - entries.length) found.shift();
      }
    });
    entries = [...found, ...entries];
  }
  return { entries, damaged };
}

/** The files of the log with their bytes, from old to new. */
export async function logFiles(folder = logsFolder()): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new FileError(`${folder} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  return names
    .filter((name) => /^\d{4}-\d\d\.jsonl$/.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

function holds({ prompt, answer }: LogEntry, wanted: string): boolean {
  return [prompt, answer].some((text) => text.normalize("NFC").toLowerCase().includes(wanted));
}

async function attempt<T>(file: string, what: "read" | "written", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new FileError(`${file} can't be ${what}: ${systemReason(error)}.`, { cause: error });
  }
}
