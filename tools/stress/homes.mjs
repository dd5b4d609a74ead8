// Homes in which commands of owl3 run again and again: what faults.mjs, kill.mjs and stops.mjs have in common.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { checkpoint, example, program } from "./places.mjs";

export function makeAnew(home) {
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
}

/** Whether a file is one that nobody but the command at work needs, by its name. */
export const isTemporary = (file) => /\.(part|partial|tmp|temp|lock)$|\.part\.json$|^owl3-clip-\w+$/.test(file);

/** Temporary files that nobody will take away. */
export const leftOvers = (home) => readdirSync(home, { recursive: true }).filter(isTemporary);

/** Whether what was printed on stderr has the lines of a stack trace. */
export const hasTrace = (stderr) => /^\s+at |node:internal/m.test(stderr);

/** Writes a JSONL file with a row for each picture of the examples. */
export function writeRows(file, pictures, more) {
  const row = (name, i) => JSON.stringify({ id: `r${i}`, image: example(name), ...more });
  writeFileSync(file, `${pictures.map(row).join("\n")}\n`);
}

/** Writes a small model of float16. */
export function writeSmallModel(file) {
  const args = [program, "convert", checkpoint, "-o", file, "--type", "f16", "-q"];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the checkpoint could not be converted: ${stderr}`);
}
