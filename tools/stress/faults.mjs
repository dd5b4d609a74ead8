#!/usr/bin/env node
/**
 * Makes one system call of a command fail, each in its turn, and looks at what is left: node tools/stress/faults.mjs [--count N] [--seed N] [--job NAME]...
 * Build first (npm run build); a C++ compiler builds the library that makes calls fail (tools/stress/faults/faults.cpp). Linux only.
 *
 * Each job runs once undisturbed, which counts its calls, and then with the n-th opening, writing, flushing, renaming or sizing of a file refused: the disk is
 * full or has an error, too many files are open, the file system is read-only. A run may work in spite of it, or end with a documented exit code, one
 * sentence and no stack trace. No file may stand half written under its name, and the same command must then give what the undisturbed one gave,
 * which must have flushed each file before it gave it its name. Without --count all faults are tried; with it N of them, chosen by the seed. The last line is
 * "N passed, N failed".
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildLibrary, Control, calls, errors } from "./faults/control.mjs";
import { hasTrace, leftOvers, makeAnew, writeRows, writeSmallModel } from "./homes.mjs";
import { checkpoint, demo, example, program, temporaryFolder } from "./places.mjs";
import { generator } from "./random.mjs";

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    job: { type: "string", multiple: true },
  },
});
const base = temporaryFolder("faults");
const home = path.join(base, "home");
const rows = path.join(base, "rows.jsonl");
const small = path.join(base, "small.gguf");

/** Each job: the arguments of owl3, the file that it makes, and how two such files are compared. */
const jobs = {
  convert: { args: (out) => ["convert", checkpoint, "-o", out, "--type", "q8_0", "-q"], out: "made.gguf" },
  quantize: {
    args: (out) => ["quantize", small, out, "--type", "q4_0", "-q"],
    out: "made.gguf",
  },
  batch: { args: (out) => ["batch", rows, "-o", out, "-q"], out: "made.jsonl", lines: true },
  score: {
    args: (out) => ["score", rows, "-c", "yes", "-c", "no", "-o", out, "-q"],
    out: "made.jsonl",
    lines: true,
  },
  session: {
    args: () => ["chat", "--session", "trip", example("shapes.png"), "-p", "What is in the picture?", "-q"],
    answer: true,
  },
  chat: { args: () => ["chat", example("shapes.png"), "-p", "What is in the picture?", "-q"], answer: true },
  config: { args: () => ["config", "set", "preview", "true"], out: ".config/owl3/config.json" },
};

/** Which calls are refused, and how. */
const faults = [
  { name: "open, too many files", kinds: calls.openToWrite, error: errors.EMFILE },
  { name: "open, read-only", kinds: calls.openToWrite, error: errors.EROFS, onwards: true },
  { name: "write, disk full", kinds: calls.write | calls.size, error: errors.ENOSPC, onwards: true },
  { name: "write, disk error", kinds: calls.write, error: errors.EIO },
  { name: "flush, disk error", kinds: calls.sync, error: errors.EIO },
  { name: "rename, no permission", kinds: calls.rename, error: errors.EACCES },
];

const log = path.join(base, "log");
let broken = 0;
/** Runs that were judged: undisturbed ones, by what they flushed, and those with a fault. */
let tried = 0;
let faulty = 0;
let refused = 0;
const library = buildLibrary(base);
const control = new Control(path.join(base, "control"));
writeRows(rows, ["shapes.png", "before.png", "after.png"], { prompt: "Is there a star?", max_tokens: 4 });
writeSmallModel(small);
const plan = [];
for (const name of flags.job ?? Object.keys(jobs)) {
  const job = jobs[name];
  if (!job) throw new Error(`there is no job ${name}; the jobs are ${Object.keys(jobs).join(", ")}`);
  job.name = name;
  control.arm({ kinds: 0 });
  job.expected = run(job, library, { log }).result;
  tried++;
  const wrong = unsynced(readFileSync(log, "utf8"));
  if (wrong.length > 0) {
    broken++;
    console.log(`${name}: a power cut may leave ${wrong.join(", ")} with its name and without its contents`);
  }
  for (const fault of faults) {
    control.arm({ kinds: fault.kinds });
    const { status, stderr } = run(job, library);
    if (status !== 0) throw new Error(`${name} fails by itself: ${stderr}`);
    const { count } = control.read();
    for (let at = 1; at <= count; at++) plan.push({ job, fault, at });
  }
}
for (const { job, fault, at } of chosen(plan)) attempt(job, fault, at, library, control);
control.close();
if (faulty === 0) throw new Error("no call was refused, so nothing was tried");
console.log(`${faulty} faults, ${refused} runs ended with an error; seed ${flags.seed}`);
console.log(`${tried - broken} passed, ${broken} failed`);
process.exitCode = broken === 0 ? 0 : 1;

/** Some of the plan, or all. */
function chosen(plan) {
  const count = Number(flags.count) || plan.length;
  const random = generator(Number(flags.seed));
  return plan
    .map((one) => [random(), one])
    .sort(([a], [b]) => a - b)
    .slice(0, count)
    .map(([, one]) => one);
}

/** Runs a job in a folder as it is, or in a new one. */
function run(job, library, { fresh = true, log: logFile } = {}) {
  if (fresh) makeAnew(home);
  const out = path.join(home, job.out ?? "none");
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    OWL3_MODEL: demo,
    OWL3_FAULT_CONTROL: path.join(base, "control"),
    OWL3_FAULT_UNDER: home,
    ...(logFile && { OWL3_FAULT_LOG: logFile }),
    LD_PRELOAD: library,
  };
  const args = [program, ...job.args(out)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    env,
    cwd: home,
    encoding: "utf8",
    timeout: 120_000,
  });
  return { status, signal, stdout, stderr, out, result: job.answer ? stdout : resultOf(job, out) };
}

/** Returns the contents of a file in a form that can be compared; undefined if there is none. */
function resultOf(job, file) {
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  if (!job.lines) return createHash("sha256").update(bytes).digest("hex");
  return bytes.toString("utf8").split("\n").slice(0, -1).sort().join("\n");
}

function attempt(job, fault, at, library, control) {
  control.arm({ ...fault, at });
  const { status, signal, stdout, stderr, result } = run(job, library);
  if (control.read().failed === 0) return; // the calls of two runs need not be the same
  tried++;
  faulty++;
  if (status !== 0) refused++;
  const wrong = [];
  if (signal) wrong.push(`ended by ${signal}`);
  else if (status > 6) wrong.push(`exit code ${status}`);
  if (hasTrace(stderr) || /Error: |\bE[A-Z]{3,}\b/.test(stderr)) wrong.push("no plain sentence");
  if (status !== 0 && stderr.trim().split("\n").length > 3) wrong.push("more than three lines");
  if (status === 0 && (job.answer ? stdout : result) !== job.expected) wrong.push("another result, and no error");
  if (job.lines && result && !result.split("\n").every((line) => job.expected.split("\n").includes(line)))
    wrong.push("a line that is not of the undisturbed run");
  if (!job.lines && !job.answer && result !== undefined && result !== job.expected) wrong.push("a half written file");
  control.arm({ kinds: 0 });
  const again = run(job, library, { fresh: false });
  if (again.status !== 0) wrong.push(`afterwards it fails: ${again.stderr.trim()}`);
  else if (!job.answer && again.result !== job.expected) wrong.push("afterwards another result");
  const rest = leftOvers(home);
  if (rest.length > 0) wrong.push(`left over: ${rest.join(", ")}`);
  if (wrong.length === 0) return;
  broken++;
  console.log(`${job.name}, ${fault.name} at call ${at}: ${wrong.join("; ")}\n  exit code ${status}: ${stderr.trim()}`);
}

/**
 * Files that got their name before they were flushed, according to a log of calls. Caches are left out: their entries are checked when they are
 * read, and computed again.
 */
function unsynced(text) {
  const written = new Set();
  const wrong = [];
  for (const [call, file, to] of text.split("\n").map((line) => line.split("\t"))) {
    if (call === "write") written.add(file);
    if (call === "sync") written.delete(file);
    if (call === "rename" && written.delete(file) && !to.includes("/.cache/")) wrong.push(to);
  }
  rmSync(log, { force: true });
  return wrong;
}
