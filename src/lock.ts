/** Lock files: of all processes that respect one, a single process works on something at a time. */
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { onInterrupt } from "./cleanup.js";
import { FileError, systemReason, UserError } from "./errors.js";

/** A lock of another machine counts this long, in milliseconds, after its owner's last sign of life. */
const silence = 120_000;
/** An owner gives a sign of life this often. */
const beat = 15_000;

interface Owner {
  pid: number;
  host: string;
  /** When the process began, where the system tells: a later process may have got the same id. */
  began?: string | undefined;
}

/**
 * Makes a lock file with the id of this process, and takes one over whose process is gone. Returns the function that removes it, which also runs
 * when the process is interrupted. Throws FileError, and UserError with the text of `busy` if another process has the lock.
 */
export function lockFile(file: string, busy: (owner: string) => string): () => void {
  for (let tries = 0; tries < 5; tries++) {
    try {
      const me: Owner = { pid: process.pid, host: hostname(), began: beginOf(process.pid) };
      writeNew(file, JSON.stringify(me));
      return held(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST")
        throw new FileError(`${file} can't be written: ${systemReason(error)}.`, { cause: error });
    }
    const found = contentOf(file);
    if (found === undefined) continue; // it has just been removed
    const owner = aliveOwner(file, found);
    if (owner !== undefined) throw new UserError(busy(owner));
    takeAway(file, found);
  }
  throw new UserError(busy("of unknown id"));
}

/** Makes a file that must not exist. On a full disk none is left behind that holds nothing. */
function writeNew(file: string, text: string): void {
  const opened = openSync(file, "wx");
  try {
    writeFileSync(opened, text);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(opened);
  }
}

function held(file: string): () => void {
  const timer = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // Somebody removed the lock; nothing can be done about it here.
    }
  }, beat).unref();
  const unlock = (): void => {
    clearInterval(timer);
    if (forget()) rmSync(file, { force: true });
  };
  const forget = onInterrupt(unlock);
  return unlock;
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new FileError(`${file} can't be read: ${systemReason(error)}.`, { cause: error });
  }
}

/** The owner in words, if it may still be at work; undefined: the lock is abandoned. */
function aliveOwner(file: string, content: string): string | undefined {
  const quiet = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const owner = parsed(content);
  // A lock is written right after it is made.
  if (!owner) return quiet < 5000 ? "of unknown id" : undefined;
  if (owner.host !== hostname()) return quiet < silence ? `process ${owner.pid} on ${owner.host}` : undefined;
  return isAlive(owner.pid) && owner.began === beginOf(owner.pid) ? `process ${owner.pid}` : undefined;
}

/** Renames before it removes, so that of several processes that found the lock abandoned only one takes it away. */
function takeAway(file: string, content: string): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, "utf8") === content) rmSync(aside, { force: true });
    else renameSync(aside, file); // another process was quicker, and this is its lock
  } catch {
    // Another process was quicker.
  }
}

function parsed(text: string): Owner | undefined {
  try {
    const { pid, host, began } = JSON.parse(text) as Partial<Owner>;
    return typeof pid === "number" && pid > 0 && typeof host === "string" ? { pid, host, began } : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process began, in clock ticks since the system started (Linux); undefined where it can't be told. */
function beginOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program is in parentheses and may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
