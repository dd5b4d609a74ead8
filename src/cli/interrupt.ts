import { cleanUp } from "../cleanup.js";
import { ExitCode } from "../errors.js";
import { exitNow } from "../native/native.js";

/** Handles Ctrl-C and its like: a command that goes on (a chat whose answer is stopped) takes the key for as long as it needs it. */
const takers: (() => void)[] = [];
let terminationTaker: (() => void) | undefined;

/** Makes Ctrl-C call `taker` instead of ending the process, until the returned function is called. */
export function takeInterrupt(taker: () => void): () => void {
  takers.push(taker);
  return () => {
    const at = takers.lastIndexOf(taker);
    if (at >= 0) takers.splice(at, 1);
  };
}

/** Makes SIGTERM call `taker` instead of ending the process, until the returned function is called. */
export function takeTermination(taker: () => void): () => void {
  terminationTaker = taker;
  return () => {
    terminationTaker = undefined;
  };
}

/** Installs the handlers of SIGINT, SIGTERM and SIGHUP. */
export function installInterrupt(): void {
  process.on("SIGINT", () => {
    const taker = takers.at(-1);
    if (taker) taker();
    else interrupted(ExitCode.interrupted);
  });
  process.on("SIGTERM", () => {
    if (terminationTaker) terminationTaker();
    else interrupted(143);
  });
  process.on("SIGHUP", () => interrupted(129));
}

function interrupted(code: number): void {
  cleanUp();
  if (process.stderr.isTTY)
    process.stderr.write(`\u001b[?25h\n${code === ExitCode.interrupted ? "interrupted\n" : ""}`);
  // process.exit() would wait for running native work, which takes seconds for a picture.
  exitNow(code);
}
