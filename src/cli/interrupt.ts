/**
 * Ctrl-C and its like. A command that goes on (a chat whose answer is stopped) takes the key for as long as it needs it; else the process tidies up
 * and ends by the signal. While there is nothing to take or to tidy up the signals are the system's, since those that we handle wait while modules are loaded.
 */
import { beforeCleanups, cleanUp } from "../cleanup.js";
import { ExitCode } from "../errors.js";
import { exitNow } from "../native/native.js";

/** The signals that end a process, and the exit codes that shells give for them. */
const endings = { SIGINT: ExitCode.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;
type Ending = keyof typeof endings;

const takers: (() => void)[] = [];
let terminationTaker: (() => void) | undefined;
let listening = false;

/** Makes Ctrl-C call `taker` instead of ending the process, until the returned function is called. */
export function takeInterrupt(taker: () => void): () => void {
  listen();
  takers.push(taker);
  return () => {
    const at = takers.lastIndexOf(taker);
    if (at >= 0) takers.splice(at, 1);
  };
}

/** Makes SIGTERM call `taker` instead of ending the process, until the returned function is called. */
export function takeTermination(taker: () => void): () => void {
  listen();
  terminationTaker = taker;
  return () => {
    terminationTaker = undefined;
  };
}

/** Has SIGINT, SIGTERM and SIGHUP handled as soon as there is something to tidy up. */
export function installInterrupt(): void {
  beforeCleanups(listen);
}

function listen(): void {
  if (listening) return;
  listening = true;
  process.on("SIGINT", () => (takers.at(-1) ?? interrupted)("SIGINT"));
  process.on("SIGTERM", () => (terminationTaker ?? interrupted)("SIGTERM"));
  process.on("SIGHUP", interrupted);
}

function interrupted(signal: Ending): void {
  cleanUp();
  if (process.stderr.isTTY) process.stderr.write(`\u001b[?25h\n${signal === "SIGINT" ? "interrupted\n" : ""}`);
  endBy(signal);
}

/** Ends the process by a signal: the loop of a shell would go on after an exit code. */
export function endBy(signal: Ending): void {
  if (process.platform !== "win32") {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  // Windows has no such end, nor has the first process of a container. process.exit() would wait for running native work,
  // which takes seconds for a picture.
  exitNow(endings[signal]);
}
