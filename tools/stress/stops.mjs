#!/usr/bin/env node
/**
 * Stops commands at random moments: node tools/stress/stops.mjs [--count 200] [--seed N] [--job NAME]... Build first (npm run build).
 *
 * Each job runs once to its end, which tells how long it takes, and then again and again until Ctrl-C (SIGINT), SIGTERM, SIGHUP or a closed pipe stops it at
 * a random moment of that time. Then it must end by that signal or with the answer; it must print no stack trace, leave
 * no temporary file, and the same command must work afterwards. Printed is how long it took from the signal to the end: the median, the 99th percentile
 * and the longest. The last line is "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { hasTrace, leftOvers, makeAnew, writeRows, writeSmallModel } from "./homes.mjs";
import { checkpoint, example, program, temporaryFolder } from "./places.mjs";
import { generator } from "./random.mjs";

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    job: { type: "string", multiple: true },
  },
});
const base = temporaryFolder("stops");
const home = path.join(base, "home");
const rows = path.join(base, "rows.jsonl");
const small = path.join(base, "small.gguf");

const jobs = {
  chat: ["chat", example("shapes.png"), "-p", "What is in the picture?"],
  video: ["video", example("moving.mp4"), "-q", "What happens?"],
  piped: ["video", "-", "-q", "What happens?"],
  batch: ["batch", rows, "-o", path.join(home, "made.jsonl")],
  score: ["score", rows, "-c", "yes", "-c", "no", "-o", path.join(home, "made.jsonl")],
  find: ["find", example("appears.mp4"), "a yellow star"],
  session: ["chat", "--session", "trip", example("six.png"), "-p", "How many shapes?"],
  convert: ["convert", checkpoint, "-o", path.join(home, "made.gguf"), "--type", "q8_0"],
  quantize: ["quantize", small, path.join(home, "made.gguf"), "--type", "q4_0"],
  bench: ["bench", "--only", "prefill", "--repeat", "1"],
  doctor: ["doctor"],
  config: ["config", "set", "preview", "true"],
};
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "pipe"];
const random = generator(Number(flags.seed));
const delays = [];
const orderly = [];
let failed = 0;
let stopped = 0;

writeRows(rows, ["shapes.png", "before.png", "after.png", "six.png"], { prompt: "What is it?", max_tokens: 8 });
writeSmallModel(small);
const names = flags.job ?? Object.keys(jobs);
const took = {};
for (const name of names) {
  makeAnew(home);
  const whole = await run(name);
  if (whole.code !== 0) throw new Error(`${name} fails by itself: ${whole.stderr}`);
  took[name] = whole.ms;
}
for (let i = 0; i < Number(flags.count); i++) {
  const name = names[i % names.length];
  const signal = signals[Math.floor(random() * signals.length)];
  const after = Math.round(random() * took[name]);
  makeAnew(home);
  const one = await run(name, { signal, after });
  if (one.since !== undefined && signal !== "pipe")
    (finishesRows(name, signal) ? orderly : delays).push({
      ms: one.since,
      what: `${name} ${signal} after ${after} ms`,
    });
  const wrong = faults(one, signal);
  const again = await run(name);
  if (again.code !== 0) wrong.push(`afterwards it fails: ${again.stderr.trim()}`);
  if (one.stopped) stopped++;
  if (wrong.length === 0) continue;
  failed++;
  console.log(`${name}, ${signal} after ${after} ms: ${wrong.join("; ")}`);
}
console.log(`${stopped} of ${flags.count} were stopped, seed ${flags.seed}; from signal to end:`);
console.log(`at once: ${quantiles(delays)}`);
console.log(`Ctrl-C once, which rows and windows under way outlast: ${quantiles(orderly)}`);
console.log(`${Number(flags.count) - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Whether a command lets the rows or windows under way end before it does. */
function finishesRows(name, signal) {
  return signal === "SIGINT" && ["batch", "score", "find"].includes(name);
}

function quantiles(all) {
  if (all.length === 0) return "never";
  all.sort((a, b) => a.ms - b.ms);
  const at = (share) => `${all[Math.min(all.length - 1, Math.floor(all.length * share))].ms.toFixed(0)} ms`;
  return `${all.length} times, median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} (${all.at(-1).what})`;
}

/** Runs a job, to its end or until it is stopped. */
function run(name, { signal, after } = {}) {
  const env = { PATH: process.env.PATH, HOME: home, OWL3_MODEL: "", TMPDIR: home };
  const input = openSync(name === "piped" ? example("moving.mp4") : "/dev/null");
  const child = spawn(process.execPath, [program, ...jobs[name]], {
    cwd: home,
    env,
    stdio: [input, "pipe", "pipe"],
  });
  closeSync(input);
  const started = performance.now();
  let sent;
  let stderr = "";
  child.stdout.resume();
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const timer =
    signal &&
    setTimeout(() => {
      sent = performance.now();
      if (signal === "pipe") child.stdout.destroy();
      else child.kill(signal);
    }, after);
  let now;
  child.on("exit", () => {
    now = performance.now(); // a program that it has started may hold a pipe for longer
  });
  return new Promise((resolve) =>
    child.on("close", (code, by) => {
      clearTimeout(timer);
      resolve({ code, by, stderr, ms: now - started, since: sent && now - sent, stopped: sent !== undefined });
    }),
  );
}

function faults({ code, by, stderr }, signal) {
  const wrong = [];
  if (by ? by !== signal : code !== 0) wrong.push(`exit code ${code ?? by}: ${stderr.trim().slice(-300)}`);
  if (hasTrace(stderr)) wrong.push(`a stack trace: ${stderr.slice(-300)}`);
  const rest = leftOvers(home);
  if (rest.length > 0) wrong.push(`left over: ${rest.join(", ")}`);
  return wrong;
}
