#!/usr/bin/env node
/**
 * Kills commands (SIGKILL) at random moments: node tools/stress/kill.mjs [--count 500] [--seed N] [--job NAME]... [--rows 24]. Build first (npm run build).
 *
 * Each job runs once undisturbed, which tells what it makes and how long it takes, and then again and again until it is killed: at a moment of the time in which
 * it has files open, or of all its time, one to three times in a row. What then stands under the name of a whole file must be whole, and what was kept before must still
 * be there; the same command must work and make the same bytes, and leave no temporary file. Repacked weights are those of a model of 237 MB with random
 * weights. The last line is "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { isTemporary, leftOvers, makeAnew } from "./homes.mjs";
import { checkpoint, demo, example, program, temporaryFolder } from "./places.mjs";
import { generator } from "./random.mjs";
import { writeRandomChatModel } from "./random-chat-model.mjs";

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    job: { type: "string", multiple: true },
    rows: { type: "string", default: "24" },
  },
});
const base = temporaryFolder("kill");
const home = path.join(base, "home");
const large = path.join(base, "large.gguf");
const rows = path.join(base, "rows.jsonl");
const row = path.join(base, "row.jsonl");
const made = (name) => path.join(home, name);
const random = generator(Number(flags.seed));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Each job's command, what must come before it, and how files that are no copies of those of the undisturbed run are judged. */
const jobs = {
  pull: { args: ["pull", "someone/tiny-owl", "--type", "q8_0", "-q"] },
  convert: { args: ["convert", checkpoint, "-o", made("made.gguf"), "--type", "q8_0", "-q"] },
  quantize: { args: ["quantize", large, made("made.gguf"), "--type", "q4_0", "-q"] },
  "crop cache": { args: ["chat", example("strip.png"), "-p", "What is in the picture?", "-n", "4", "-q"] },
  "repack cache": {
    args: ["score", row, "-c", "yes", "-c", "no", "-o", made("made.jsonl"), "-m", large, "-q"],
    lines: ["made.jsonl"],
  },
  batch: {
    args: ["batch", rows, "-o", made("made.jsonl"), "-q", "--concurrency", "4"],
    lines: ["made.jsonl"],
  },
  session: {
    before: ["chat", "--session", "trip", example("six.png"), "-p", "How many shapes?", "-n", "4", "-q"],
    args: ["chat", "--session", "trip", example("shapes.png"), "-p", "What is in the picture?", "-n", "4", "-q"],
    turns: ".local/share/owl3/sessions/trip/session.json",
  },
};

const hub = await startHub();
const names = flags.job ?? Object.keys(jobs);
let [kills, failed, endedBefore] = [0, 0, 0];
const counts = new Map(names.map((name) => [name, 0]));
try {
  await prepare();
  for (const name of names) await learn(name);
  for (let at = 0; kills < Number(flags.count); at++) await attempt(names[at % names.length]);
  console.log([...counts].map(([name, n]) => `${name} ${n}`).join(", "));
  console.log(`${kills} kills, ${endedBefore} more runs had ended before theirs; seed ${flags.seed}`);
  console.log(`${kills - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  hub.close();
  hub.closeAllConnections();
}

async function prepare() {
  const pictures = ["shapes.png", "before.png", "after.png", "six.png"];
  const prompts = ["What is in this picture?", "Does the picture show a blue star?", "How many shapes are there?"];
  const made = (_, i) => ({
    id: `row ${i}`,
    image: example(pictures[i % pictures.length]),
    prompt: prompts[i % prompts.length],
    ...{ temperature: i % 4 ? 1.3 : 0, max_tokens: 8 },
  });
  const list = Array.from({ length: Number(flags.rows) }, made);
  writeFileSync(rows, list.map((one) => `${JSON.stringify(one)}\n`).join(""));
  writeFileSync(row, `${JSON.stringify(list[0])}\n`);
  await writeRandomChatModel(large, "0.5b", "q4_0", { short: true });
}

/** Runs a job twice undisturbed: how long it takes, from when on it writes, and what it makes. */
async function learn(name) {
  const job = jobs[name];
  for (let i = 0; i < 2; i++) {
    await fresh(job);
    const whole = await run(job.args, { watch: true });
    if (whole.code !== 0) throw new Error(`${name} fails by itself: ${whole.stderr}`);
    job.took = whole.ms;
    job.writes = whole.firstFile ?? whole.ms / 2;
    job.stdout = whole.stdout;
    job.files = filesOf(home);
    job.sorted = stateOf(job).sort().join("\n");
    job.record = job.turns && messagesOf(made(job.turns));
  }
}

/** Makes the folder anew, with what a job starts from. */
async function fresh(job) {
  makeAnew(home);
  if (job.before && (await run(job.before)).code !== 0) throw new Error(`${job.before.join(" ")} fails by itself`);
}

async function attempt(name) {
  const job = jobs[name];
  await fresh(job);
  const wrong = [];
  const inARow = 1 + Math.floor(random() * 3);
  const moments = [];
  let kept = stateOf(job);
  let ended = false;
  for (let i = 0; i < inARow && !ended; i++) {
    const from = random() < 0.25 ? 0 : 0.9 * job.writes;
    const after = Math.round(from + random() * (1.05 * job.took - from));
    moments.push(after);
    const one = await run(job.args, { after });
    ended = one.code !== null;
    if (ended) {
      endedBefore++;
      if (one.code !== 0) wrong.push(`after a kill it fails: ${one.stderr.trim()}`);
    } else {
      kills++;
      counts.set(name, counts.get(name) + 1);
    }
    wrong.push(...halfWritten(job));
    const now = stateOf(job);
    if (!kept.every((one, at) => now[at] === one)) wrong.push("something that was kept is gone");
    kept = now;
  }
  const again = await run(job.args);
  if (again.code !== 0) wrong.push(`afterwards it fails: ${again.stderr.trim()}`);
  else wrong.push(...different(job, again, kept));
  if (existsSync(made(".cache"))) await run(["cache", "clear"]); // what died in a cache lies there until then
  const rest = leftOvers(home);
  if (rest.length > 0) wrong.push(`left over: ${rest.join(", ")}`);
  if (wrong.length === 0) return;
  failed++;
  console.log(`${name}, killed after ${moments.join(" and ")} ms: ${[...new Set(wrong)].join("; ")}`);
}

/** Whether a file is a record that grows with the work, and whole: what a pull has fetched, or which run began a file of results. */
function isRecord(file) {
  if (!/(^|\/)pull\.json$|\.run\.json$/.test(file)) return false;
  try {
    return JSON.parse(readFileSync(made(file), "utf8")) !== null;
  } catch {
    return false;
  }
}

/** Files by their path below a folder, as hashes. */
function filesOf(folder) {
  const found = readdirSync(folder, { recursive: true }).filter((file) => statSync(path.join(folder, file)).isFile());
  return Object.fromEntries(found.map((file) => [file, sha256(readFileSync(path.join(folder, file)))]));
}

/** Files with the name of a whole one that are not as the undisturbed run made them. */
function halfWritten(job) {
  return Object.entries(filesOf(home))
    .filter(([file]) => !isTemporary(file) && !job.lines?.includes(file) && file !== job.turns)
    .filter(([file, hash]) => job.files[file] !== hash && !isRecord(file))
    .map(([file]) => `${file} is another file`);
}

/** Returns what a job has kept so far, in order: the whole lines of its results, or the messages of its session. */
function stateOf(job) {
  if (job.turns) return messagesOf(made(job.turns));
  return (job.lines ?? []).flatMap((file) => linesOf(made(file)));
}
function linesOf(file) {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

function messagesOf(file) {
  const { messages } = JSON.parse(readFileSync(file, "utf8"));
  return messages.map(({ role, content, ids }) => JSON.stringify({ role, content, ids }));
}

/** How a run that was not killed differs from the undisturbed one. */
function different(job, { stdout }, before) {
  if (job.turns) {
    const messages = messagesOf(made(job.turns));
    const wrong = job.record.every((one, i) => messages[i] === one) ? [] : ["other turns"];
    // Where a killed run had kept its turn, this one is the next.
    if (messages.length !== before.length + 2) wrong.push(`${messages.length - before.length} new messages`);
    return before.length < job.record.length && stdout !== job.stdout ? [...wrong, "another answer"] : wrong;
  }
  const now = filesOf(home);
  const wrong = stdout === job.stdout ? [] : ["another output"];
  for (const [file, hash] of Object.entries(job.files)) {
    if (now[file] === hash) continue;
    if (job.lines?.includes(file) && linesOf(made(file)).sort().join("\n") === job.sorted) continue;
    wrong.push(`${file} ${file in now ? "has other bytes" : "is not there"}`);
  }
  return wrong;
}

/** Runs owl3, and kills it after some milliseconds. */
async function run(args, { after, watch } = {}) {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    OWL3_MODEL: demo,
    OWL3_HOME: path.join(home, "models"),
    HF_ENDPOINT: hub.url,
  };
  mkdirSync(home, { recursive: true });
  const child = spawn(process.execPath, [program, ...args], {
    ...{ cwd: home, env, stdio: ["ignore", "pipe", "pipe"] },
  });
  const started = performance.now();
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => {
      out[name] += text;
    });
  const timer = after === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
  const closed = new Promise((resolve) => child.on("close", resolve));
  let firstFile;
  if (watch) {
    const before = Object.keys(filesOf(home)).length;
    let running = true;
    void closed.then(() => {
      running = false;
    });
    while (running && firstFile === undefined) {
      if (readdirSync(home, { recursive: true }).length > before + 1) firstFile = performance.now() - started;
      await sleep(3);
    }
  }
  const code = await closed;
  clearTimeout(timer);
  return { code, ...out, ms: performance.now() - started, firstFile };
}

/** A hub with one checkpoint, whose files come slowly. */
async function startHub() {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const files = Object.fromEntries(
    readdirSync(checkpoint).map((name) => [name, readFileSync(path.join(checkpoint, name))]),
  );
  const listing = Object.entries(files).map(([name, data]) => {
    const oid = createHash("sha1").update(`blob ${data.length}\0`).update(data).digest("hex");
    const entry = { type: "file", path: name, size: data.length, oid };
    return name.endsWith(".safetensors") ? { ...entry, lfs: { oid: sha256(data), size: data.length } } : entry;
  });
  const server = createServer(async (req, res) => {
    const { pathname } = new URL(req.url, "http://hub");
    const data = files[pathname.split(`/resolve/${commit}/`)[1]];
    const json = pathname.endsWith("/revision/main")
      ? { sha: commit }
      : pathname.includes("/tree/")
        ? listing
        : undefined;
    if (json) return void res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));
    if (!data) return void res.writeHead(404).end();
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? "") ?? [];
    const part = data.subarray(Number(from ?? 0), from ? Number(to) + 1 : data.length);
    const entry = listing.find((one) => files[one.path] === data);
    const etag = `"${(entry.lfs ?? entry).oid}"`;
    const range = from && { "content-range": `bytes ${from}-${to}/${data.length}` };
    res.writeHead(from ? 206 : 200, { "content-length": part.length, etag, ...range });
    for (let at = 0; at < part.length; at += 1 << 20) {
      res.write(part.subarray(at, at + (1 << 20)));
      await sleep(10);
    }
    res.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.url = `http://127.0.0.1:${server.address().port}`;
  return server;
}
