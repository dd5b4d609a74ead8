import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

export const binary = fileURLToPath(new URL("../../bin/owl3.js", import.meta.url));
/** A GGUF file of another architecture. */
export const foreign = fileURLToPath(new URL("../fixtures/gguf/python.gguf", import.meta.url));

export function owl3(...args: string[]) {
  const run = spawnSync(process.execPath, [binary, ...args], { encoding: "utf8" });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

/** Files of one test file, gone at its end. */
export const folder = mkdtempSync(join(tmpdir(), "owl3-cli-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
/** A new empty folder for outputs. */
export function place(): string {
  const path = join(folder, `out-${count++}`);
  mkdirSync(path);
  return path;
}
