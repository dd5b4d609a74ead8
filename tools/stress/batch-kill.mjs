#!/usr/bin/env node
/**
 * Kills batches at random moments and compares: node tools/stress/batch-kill.mjs [--rows 1000] [--kills 10] [--concurrency 8] [--seed N]. Build first (npm run
 * build).
 *
 * Asks the demo model about pictures of its world, most answers drawn by chance: once undisturbed, and once in a process that is killed (SIGKILL) at
 * random moments and started again until it ends. After each kill all whole lines that were there before must still be there. At the end
 * the sorted results must be the same bytes. Ends with 1 if they are not.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generator } from "./random.mjs";

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "1000" },
    kills: { type: "string", default: "10" },
    concurrency: { type: "string", default: "8" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});
const [count, kills, seed] = [flags.rows, flags.kills, flags.seed].map(Number);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "owl3-stress-batch-"));
const random = generator(seed);

try {
  const rows = path.join(folder, "rows.jsonl");
  writeFileSync(rows, Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join(""));
  const started = performance.now();
  const undisturbed = path.join(folder, "undisturbed.jsonl");
  if ((await run(rows, undisturbed)) !== 0) throw new Error("the undisturbed run failed");
  const took = performance.now() - started;
  console.log(`undisturbed: ${linesOf(undisturbed).length} rows in ${(took / 1000).toFixed(1)} s; seed ${seed}`);

  const disturbed = path.join(folder, "disturbed.jsonl");
  let before = [];
  for (let kill = 1; kill <= kills; kill++) {
    const code = await run(rows, disturbed, 800 + ((2 * took) / kills) * random());
    const now = linesOf(disturbed);
    if (before.some((line, i) => now[i] !== line)) throw new Error(`kill ${kill} lost a line that was whole`);
    const torn = existsSync(disturbed) && !/(^|\n)$/.test(readFileSync(disturbed, "utf8"));
    console.log(
      `run ${kill}: ${code === 0 ? "ended before it was killed" : "killed"} at ${now.length} rows${torn ? ", with a torn line" : ""}`,
    );
    before = now;
  }
  if ((await run(rows, disturbed)) !== 0) throw new Error("the last run failed");
  const same = linesOf(disturbed).sort().join("\n") === linesOf(undisturbed).sort().join("\n");
  console.log(same ? "the same bytes when sorted" : "DIFFERENT");
  process.exitCode = same ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A question about a picture, by turns greedy and drawn. */
function row(i) {
  const pictures = ["shapes.png", "before.png", "after.png", "six.png", "strip.png", "print.png"];
  const prompts = ["What is in this picture?", "Does the picture show a blue star?", "How many shapes are there?"];
  const [image, prompt] = [pictures[i % pictures.length], prompts[Math.floor(i / pictures.length) % prompts.length]];
  return {
    id: `row ${i}`,
    image: path.join(root, "examples", image),
    prompt,
    temperature: i % 4 ? 1.3 : 0,
    max_tokens: 12,
  };
}

/** Whole lines. */
function linesOf(file) {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

/** Runs a batch to its end, or kills it after some milliseconds. */
function run(rows, out, killAfter) {
  const args = [path.join(root, "bin/owl3.js"), "batch", rows, "-o", out, "-q", "--concurrency", flags.concurrency];
  const env = { ...process.env, OWL3_MODEL: "", OWL3_CACHE_DIR: path.join(folder, "cache") };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "ignore", "inherit"] });
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  return new Promise((resolve) =>
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    }),
  );
}
