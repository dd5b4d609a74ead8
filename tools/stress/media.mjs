#!/usr/bin/env node
/**
 * Opens the pictures and clips of a folder, and damaged copies of them: node tools/stress/media.mjs FOLDER [--pictures 1000] [--clips 300] [--from N]
 * [--seed N] [--python PYTHON]. Build first (npm run build); Linux only.
 *
 * Each must be decoded, or refused with a sentence and the exit code of a file, within 10 seconds of processor time and 512 MB of the process that has it
 * and of each process that it starts; a hundred follow each other in one process. With a Python that has Pillow and numpy, the sound pictures are compared with what PIL makes of them; differences are told, and are no
 * failures, since some are meant (src/media/image.ts). Every 25th is also given to `owl3 info`. The last line is "N passed, N failed".
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isPicture } from "../../dist/media/sequence.js";
import { systemFfmpeg } from "../../dist/media/video/system.js";
import { containerOf } from "../../dist/media/video.js";
import { Counts, Draw } from "./cases.mjs";
import { program, temporaryFolder } from "./places.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pictures: { type: "string", default: "1000" },
    clips: { type: "string", default: "300" },
    from: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    python: { type: "string" },
  },
});
const limits = { seconds: 10, wall: 100, bytes: 512e6 };
const together = 100;
const base = temporaryFolder("media");
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A process that answers a line with a line. */
class Child {
  constructor(program, args) {
    this.process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.process.stdin.on("error", () => {}); // told by its end
    this.ended = new Promise((resolve) => this.process.on("exit", (code, signal) => resolve(signal ?? code)));
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }
  /** The answer; undefined when the process ended instead. */
  async ask(question) {
    this.process.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.lines.next();
    return done ? undefined : JSON.parse(value);
  }
  async stop() {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}

/** The peak of a process's resident memory in bytes since forgetPeak(). */
function peak(pid) {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0; // it has ended
  }
}
function forgetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Seconds of processor time of a process and of those that it has started and that have ended. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

let looked = 0;
let looker = new Child(process.execPath, [here("media/look.mjs")]);

/** Has a file looked at within the limits: the answer, or what went wrong. */
async function look(question) {
  if (looked++ % together === 0) await renew();
  const { pid } = looker.process;
  forgetPeak(pid);
  const started = processorTime(pid);
  let most = 0;
  const watch = setInterval(() => {
    for (const child of childrenOf(pid)) most = Math.max(most, peak(child));
  }, 20);
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, limits.wall * 1000, "late");
  });
  const answer = await Promise.race([looker.ask(question), late]);
  clearInterval(watch);
  clearTimeout(timer);
  most = Math.max(most, peak(pid));
  if (answer === "late" || answer === undefined) {
    const why = answer === "late" ? `takes longer than ${limits.wall} s` : `the process ended (${await looker.ended})`;
    await renew();
    return { outcome: "broken", why, seconds: 0, bytes: most };
  }
  const seconds = processorTime(pid) - started;
  const broken = (why) => ({ outcome: "broken", why, seconds, bytes: most });
  if (seconds > limits.seconds) return broken(`takes ${seconds.toFixed(1)} s of processor time`);
  if (most > limits.bytes) return broken(`takes ${Math.round(most / 1e6)} MB`);
  return { ...answer, seconds, bytes: most };
}

async function renew() {
  await looker.stop();
  looker = new Child(process.execPath, [here("media/look.mjs")]);
}

/** Whether the command says the same: exit code 0, or 3 or 4 (no medium is taken for a model) and a sentence. */
function command(file) {
  const { status, signal, stderr } = spawnSync(process.execPath, [program, "info", file], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status === 0 || ([3, 4].includes(status) && /^[^\n]+\n(?: {2}.*\n)*$/.test(stderr))) return undefined;
  return `owl3 info ends with ${signal ?? status}: ${stderr.slice(0, 500)}`;
}

/** All files of a folder by the kind that their first bytes tell. */
function collect(folder) {
  const found = { picture: [], clip: [] };
  for (const entry of readdirSync(folder, { recursive: true }).sort()) {
    const file = path.join(folder, entry);
    if (!statSync(file).isFile() || statSync(file).size > 16e6) continue;
    const bytes = readFileSync(file);
    const container = containerOf(bytes);
    if (container) found.clip.push({ file });
    if (isPicture(bytes) || !container) found.picture.push({ file });
  }
  return found;
}

/** A damaged copy: bits, a size, a piece that is gone, doubled or zeros, or the end missing; half of them near the beginning. */
function damage(draw, bytes) {
  let out = Buffer.from(bytes);
  const place = (room = 1) => draw.below(Math.max(1, (draw.oneIn(2) ? Math.min(out.length, 512) : out.length) - room));
  for (let n = draw.below(3); n >= 0 && out.length > 8; n--) {
    const how = draw.below(6);
    const at = place(4);
    const length = 1 + draw.below(Math.min(4096, out.length));
    if (how === 0) for (let i = draw.below(8); i >= 0; i--) out[place()] ^= 1 << draw.below(8);
    else if (how === 1) out.writeUInt32BE(draw.pick([0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0xffff, 0x10000]), at);
    else if (how === 2) out.writeUInt32LE(draw.pick([0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0xffff, 0x10000]), at);
    else if (how === 3) out = Buffer.concat([out.subarray(0, at), out.subarray(at + length)]);
    else if (how === 4) out = Buffer.concat([out.subarray(0, at + length), out.subarray(at)]);
    else if (how === 5 && draw.oneIn(2)) out.fill(0, at, Math.min(out.length, at + length));
    else out = out.subarray(0, 1 + draw.below(out.length));
  }
  return out;
}

/** Compares a sound picture that was decoded with what PIL makes of it; a difference is told. */
async function compare(pil, file, raw, { width, height }) {
  const there = await pil.ask({ file, raw, width, height });
  if (there?.error !== undefined) return "PIL does not decode it";
  const differs = there.size !== undefined || there.most > 8;
  if (differs)
    console.log(
      `differs: ${file} (${there.kind}): ${there.size ? `${width} x ${height} here, ${there.size} in PIL` : `by ${there.most}, ${there.mean.toFixed(3)} in the mean`}`,
    );
  return differs ? "differs from PIL" : there.most === 0 ? "the same as PIL" : "within 8 of PIL";
}

const [folder] = positionals;
const found = collect(folder);
const pil = flags.python ? new Child(flags.python, [here("media/pil.py")]) : undefined;
const counts = new Counts();
const most = { seconds: 0, bytes: 0 };
const decoders = (await systemFfmpeg()) ? ["builtin", "system"] : ["builtin"];
let failed = 0;
let passed = 0;

async function one(as, all, i) {
  const draw = new Draw(Math.imul(Number(flags.seed), 0x9e3779b1) ^ Math.imul(i, 0x85ebca6b) ^ (as === "clip" ? 7 : 0));
  const sound = i < all.length;
  const { file } = sound ? all[i] : draw.pick(all);
  const copy = sound ? file : path.join(base, `copy${path.extname(file)}`);
  if (!sound) writeFileSync(copy, damage(draw, readFileSync(file)));
  const raw = path.join(base, "raw");
  const answer = await look({
    file: copy,
    as,
    decoder: draw.pick(decoders),
    ...(sound && pil && as === "picture" && { raw }),
  });
  const wrong = answer.outcome === "broken" ? answer.why : i % 25 === 0 ? command(copy) : undefined;
  if (wrong === undefined) passed++;
  else {
    failed++;
    console.log(`${as} ${i} (--from ${i}), ${sound ? "" : "damaged "}${file}: ${wrong}`);
  }
  counts.add(`${sound ? "sound" : "damaged"} ${as} ${answer.outcome}`);
  if (sound && pil && as === "picture" && answer.outcome === "decoded")
    counts.add(await compare(pil, file, raw, answer));
  most.seconds = Math.max(most.seconds, answer.seconds);
  most.bytes = Math.max(most.bytes, answer.bytes);
}

try {
  for (const [as, wanted] of [
    ["picture", Number(flags.pictures)],
    ["clip", Number(flags.clips)],
  ])
    if (found[as].length > 0) for (let i = Number(flags.from); i < wanted; i++) await one(as, found[as], i);
} finally {
  await looker.stop();
  await pil?.stop();
}
console.log(counts.told("\n"));
console.log(
  `the longest took ${most.seconds.toFixed(1)} s, the largest ${Math.round(most.bytes / 1e6)} MB; seed ${flags.seed}`,
);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
