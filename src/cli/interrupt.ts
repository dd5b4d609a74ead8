import { ExitCode } from "../errors.js";
import { exitNow } from "../native/native.js";

/**
 * Ctrl-C. What must not be left behind (a half-written file, a hidden cursor) registers a synchronous cleanup; a command that wants to
 * live on (a chat whose answer is stopped) takes the key for as long as it needs it.
 */
const cleanups = new Set<() => void>();
const takers: (() => void)[] = [];

/** Runs `clean` when the process is interrupted, until the returned function is called. */
export function onInterrupt(clean: () => void): () => void {
  cleanups.add(clean);
  return () => cleanups.delete(clean);
}

/** While taken, Ctrl-C calls `taker` and does not end the process. Returns what gives it back. */
export function takeInterrupt(taker: () => void): () => void {
  takers.push(taker);
  return () => {
    const at = takers.lastIndexOf(taker);
    if (at >= 0) takers.splice(at, 1);
  };
}

export function cleanUp(): void {
  for (const clean of cleanups) {
    try {
      clean();
    } catch {
      // The process is ending; the others still have to be cleaned up.
    }
  }
  cleanups.clear();
}

export function installInterrupt(): void {
  process.on("SIGINT", () => {
    const taker = takers.at(-1);
    if (taker) taker();
    else interrupted(ExitCode.interrupted);
  });
  process.on("SIGTERM", () => interrupted(143));
  process.on("SIGHUP", () => interrupted(129));
}

function interrupted(code: number): void {
  cleanUp();
  if (process.stderr.isTTY) process.stderr.write("\u001b[?25h\n");
  // process.exit() would come back only after the native work under way: seconds, for a picture.
  exitNow(code);
}
