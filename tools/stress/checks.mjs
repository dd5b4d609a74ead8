// Memory and descriptors of a process, and the checks that a command ends with.
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect;

/** Resident memory and open descriptors, when garbage was collected and native memory that hung on it was freed. */
export async function taken() {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc");
  }
  // Finalizers run in the event loop, and may let go of more.
  for (let round = 0; round < 3; round++) {
    collect();
    await setImmediate();
  }
  return { mb: process.memoryUsage().rss / 1e6, fds: readdirSync("/proc/self/fd").length };
}

/** Prints each check, what it found and whether that is fine, and last "N passed, N failed"; the exit code is 1 if any failed. */
export function conclude(checks) {
  const all = Object.entries(checks);
  for (const [what, fine] of all) console.log(`${fine ? "ok" : "FAIL"} ${what}`);
  const failed = all.filter(([, fine]) => !fine).length;
  console.log(`${all.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
