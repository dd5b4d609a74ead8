import { type ChildProcess, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fixtures, root, temporaryFolder } from "./files.js";

export const binary = join(root, "bin/owl3.js");
/** A GGUF file of another architecture. */
export const foreign = join(fixtures, "gguf/python.gguf");

export interface RunOptions {
  /** Bytes on stdin; nothing by default. */
  input?: Buffer | string;
  /** The whole environment; by default that of the test. */
  env?: NodeJS.ProcessEnv;
}

/** Runs the built CLI to its end. */
export function run(args: readonly string[], { input = "", env = process.env }: RunOptions = {}) {
  const done = spawnSync(process.execPath, [binary, ...args], { encoding: "utf8", input, env, cwd: root });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** The end of a process: its exit code, or the signal that ended it. */
export const endOf = (child: ChildProcess): Promise<number | NodeJS.Signals | null> =>
  new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));

export const owl3 = (...args: string[]) => run(args);

/** Files of one test file. */
export const folder = temporaryFolder();

let count = 0;
/** A new empty folder for outputs. */
export function place(): string {
  const path = join(folder, `out-${count++}`);
  mkdirSync(path);
  return path;
}
