#!/usr/bin/env node
/**
 * Compares the planned memory of work with what the process took: node tools/stress/memory.mjs [--shape 0.5b] [--type q4_k_m] [--work NAME]... [--json].
 * Build first (npm run build). Linux only.
 *
 * A model of a published shape with random weights does each kind of work in a process of its own: its crops are encoded (or, past the first 16, taken from
 * values, as from the cache), its prompt is computed in passes of 512 rows, and answers are drawn until every position of the plan is taken. The
 * peak is the highest resident memory since the process had loaded all but the model, less what it had then. It may be below the plan by 5 % of
 * the plan, and never above it. The last line is "N passed, N failed".
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { temporaryFolder } from "./places.mjs";

const { values: flags } = parseArgs({
  options: {
    shape: { type: "string", default: "0.5b" },
    type: { type: "string", default: "q4_k_m" },
    work: { type: "string", multiple: true },
    json: { type: "boolean", default: false },
    inside: { type: "string" }, // the model, for the script's own processes
  },
});

/** Crops, sequences, how many of them are forks of one prompt, and positions of each. */
const works = {
  "one picture": { crops: 7, sequences: 1, context: 330 },
  "16 frames": { crops: 16, sequences: 1, context: 400 },
  "64 frames": { crops: 64, sequences: 1, context: 640 },
  "128 frames": { crops: 128, sequences: 1, context: 960 },
  "400 pictures": { crops: 400, sequences: 1, context: 2400 },
  "long text": { crops: 0, sequences: 1, context: 8192 },
  "batch of 8": { crops: 8, sequences: 8, context: 330 },
  "8 beams": { crops: 7, sequences: 8, context: 330, forks: true },
};
const tolerance = 0.05;
const encoded = 16;
const dist = (name) => import(new URL(`../../dist/${name}`, import.meta.url).href);

if (flags.inside) console.log(JSON.stringify(await measure(flags.inside, works[flags.work[0]])));
else await compare();

async function compare() {
  const folder = temporaryFolder("memory");
  const model = path.join(folder, "model.gguf");
  await (await dist("bench/random-model.js")).writeRandomModel(model, flags.shape, flags.type);
  let failed = 0;
  const names = flags.work ?? Object.keys(works);
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(
    `random ${flags.shape} ${flags.type}, MB\n| work | plan | peak | peak of plan | plan without weights | peak without weights |`,
  );
  console.log("|---|---|---|---|---|---|");
  for (const name of names) {
    const { plan, peak, weights } = inProcess(model, name);
    const share = peak / plan.total;
    const fine = share <= 1 && share >= 1 - tolerance;
    if (!fine) failed++;
    const cells = [
      name,
      mb(plan.total),
      mb(peak),
      `${(100 * share).toFixed(1)} %`,
      mb(plan.total - plan.weights),
      mb(peak - weights),
    ];
    console.log(`| ${cells.join(" | ")} |${fine ? "" : " FAIL"}`);
    if (flags.json) console.log(JSON.stringify({ name, plan, peak, weights }));
  }
  console.log(`${names.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function inProcess(model, work) {
  const args = ["--expose-gc", fileURLToPath(import.meta.url), "--inside", model, "--work", work];
  const run = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (run.status !== 0) throw new Error(`${work}: ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout);
}

/** Resident bytes of this process: now, and at most since the last forgetPeak(). */
function resident() {
  const status = readFileSync("/proc/self/status", "utf8");
  const bytes = (key) => 1024 * Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, "m"))[1]);
  return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
}
function forgetPeak() {
  writeFileSync("/proc/self/clear_refs", "5");
}

async function measure(file, { crops, sequences, context, forks = false }) {
  const { native } = await dist("native/native.js");
  const { greedySampling } = await dist("decode/sampling.js");
  const { prefillChunk } = await dist("decode/pass.js");
  const binding = native();
  const header = await binding.planModel(
    file,
    { threads: 2 },
    { contextLength: context, crops, sequences, prefillChunk },
  );
  const sampler = () => binding.createSampler(greedySampling);
  const pixels = new Uint8Array(Math.min(crops, encoded) * 384 ** 2 * 3).fill(99);
  const values = new Float32Array(800 * 4096).fill(0.5);
  globalThis.gc();
  forgetPeak();
  const before = resident().now;

  const model = await binding.openModel(file, { threads: 2 });
  const kvType = model.defaultKvType;
  const plan = model.plan({ contextLength: context, crops, sequences, kvType, prefillChunk });
  if (plan.total !== header.total) throw new Error("the plan from the header is another one");
  const weights = resident().now - before;
  const { cropSize, cropTokens, hiddenSize } = model.config;
  const embeds = [];
  for (let i = 0; i < crops; ) {
    const n = i < encoded ? Math.min(crops, encoded) : 1;
    const made =
      i < encoded
        ? await model.encode(pixels.subarray(0, n * cropSize ** 2 * 3), n)
        : model.embedsFrom(values.subarray(0, cropTokens * hiddenSize), 1);
    for (let crop = 0; crop < n; crop++) embeds.push({ embeds: made, crop });
    i += n;
  }
  const session = model.createSession({ contextLength: context, kvType, prefillChunk });
  const share = forks ? crops : crops / sequences;
  const prompt = Math.max(40, 5 * share + 20, context > 4000 ? context - 64 : 0);
  const made = [];
  for (let s = 0; s < (forks ? 1 : sequences); s++) {
    const sequence = session.create();
    const slots = embeds.slice(s * share, (s + 1) * share).map((one, i) => ({ ...one, offset: 5 * i }));
    const ids = Int32Array.from({ length: prompt }, (_, i) => 1000 + ((i * 7919) % 50000));
    for (let at = 0; at < prompt; at += prefillChunk) {
      const part = ids.subarray(at, at + prefillChunk);
      const media = slots.filter(({ offset }) => offset >= at && offset < at + part.length);
      await session.advance([{ sequence, ids: part, media, sampler: sampler() }]);
    }
    made.push(sequence);
  }
  while (made.length < sequences) made.push(session.fork(made[0]));
  const draw = made.map((sequence) => ({ sequence, ids: Int32Array.of(1), sampler: sampler() }));
  for (let length = prompt; length < context; length++) await session.advance(draw);
  const peak = resident().peak - before;
  session.dispose();
  return { plan, peak, weights };
}
