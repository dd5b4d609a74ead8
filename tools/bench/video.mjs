// Measures what videos cost: node tools/bench/video.mjs [--clip FILE] [--model FILE.gguf | --shape 0.5b --type q4_k_m] [--frames 16,64,128]
//                                                      [--decoder auto] [--pictures 8,16,32,64] [--tokens 32] [--json]
// 1. For each number of frames, in a process of its own: seconds a stage and peak memory of a question about a clip.
// 2. For the language model's part: N pictures seen by hyper attention against the same weights with the pictures' tokens in their text
//    sequence, as most models have them: prefill of the prompt (also in processor seconds, for busy machines), a step of the answer, and bytes
//    of keys and values.
// Without --clip the system's ffmpeg makes a minute of 640x360. Random weights are as fast as trained ones. Build first (npm run build).
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    clip: { type: "string" },
    model: { type: "string" },
    shape: { type: "string", default: "0.5b" },
    type: { type: "string", default: "q4_k_m" },
    frames: { type: "string", default: "16,64,128" },
    pictures: { type: "string", default: "8,16,32,64" },
    decoder: { type: "string", default: "auto" },
    tokens: { type: "string", default: "32" },
    longest: { type: "string", default: "24000" }, // text sequences above this are extrapolated
    json: { type: "boolean", default: false },
    stage: { type: "string" }, // used by the script for its own processes
    n: { type: "string" },
  },
});
const dist = (name) => new URL(`../../dist/${name}`, import.meta.url).href;
const [{ native }, { greedySampling }] = await Promise.all(
  ["native/native.js", "decode/sampling.js"].map((name) => import(dist(name))),
);
const numbers = (list) => list.split(",").filter(Boolean).map(Number);
const seconds = (ms) => Math.round(ms) / 1000;

if (flags.stage === "video") console.log(JSON.stringify(await videoStages(Number(flags.n))));
else if (flags.stage === "language") console.log(JSON.stringify(await language(numbers(flags.pictures))));
else await main();

async function main() {
  const folder = mkdtempSync(path.join(tmpdir(), "owl3-bench-video-"));
  try {
    const model = flags.model ?? path.join(folder, "random.gguf");
    if (!flags.model)
      await (await import(dist("bench/random-model.js"))).writeRandomModel(model, flags.shape, flags.type);
    const clip = flags.clip ?? makeClip(path.join(folder, "clip.mp4"));
    const own = (...args) => {
      const script = fileURLToPath(import.meta.url);
      const common = [
        "--model",
        model,
        "--clip",
        clip,
        "--decoder",
        flags.decoder,
        "--tokens",
        flags.tokens,
        "--longest",
        flags.longest,
      ];
      const run = spawnSync(process.execPath, [script, ...common, ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit"],
        maxBuffer: 1 << 28,
      });
      if (run.status !== 0) process.exit(run.status ?? 1);
      const result = JSON.parse(run.stdout);
      if (!flags.json) for (const row of [result].flat()) console.log(JSON.stringify(row));
      return result;
    };
    const video = numbers(flags.frames).map((n) => own("--stage", "video", "--n", String(n)));
    const pictures = flags.pictures ? own("--stage", "language", "--pictures", flags.pictures) : [];
    if (flags.json) console.log(JSON.stringify({ video, pictures }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeClip(file) {
  const args = [
    "-nostdin",
    "-v",
    "error",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=640x360:rate=30:duration=150",
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-pix_fmt",
    "yuv420p",
    file,
  ];
  if (spawnSync("ffmpeg", args, { stdio: "inherit" }).status !== 0) throw new Error("no clip: give one with --clip");
  return file;
}

/** Frames decoded alone, then the whole pipeline: what decoding adds beside encoding is the difference of the two. */
async function videoStages(n) {
  const { sampleVideo } = await import(dist("media/frames.js"));
  const { encodeCrops } = await import(dist("vision/encode-crops.js"));
  const { Crops } = await import(dist("vision/crops.js"));
  const { Turns } = await import(dist("native/turns.js"));
  const binding = native();
  let last = performance.now();
  const lap = () => {
    const now = performance.now();
    const ms = now - last;
    last = now;
    return seconds(ms);
  };
  const model = await binding.openModel(flags.model, {});
  const load = lap();
  const options = { decoder: flags.decoder, maxFrames: n, fps: 1000 };
  const clip = await sampleVideo(flags.clip, options);
  const probe = lap();
  for await (const _ of clip.read());
  const decode = lap();
  const s = model.config.cropSize;
  async function* crops() {
    for await (const { image } of clip.read())
      yield await binding.cutImage(image.data, image.width, image.height, s, null);
  }
  const encoded = await encodeCrops(new Crops({ model, turns: new Turns() }), crops(), clip.frames.length);
  const encode = lap();
  await clip.close();
  const session = newSession(model, 1024 + 8 * n);
  const { prompt, slots } = promptOf(encoded);
  await session.prefill(prompt, slots);
  const prefill = lap();
  const answer = await session.steps(Number(flags.tokens));
  const peak = process.resourceUsage().maxRSS * 1024;
  return {
    ...{ frames: clip.frames.length, decoder: clip.decoder, load_s: load, probe_s: probe, decode_s: decode },
    ...{
      decode_and_encode_s: encode,
      frames_per_s: Math.round((n / encode) * 1000) / 1000,
      prompt_tokens: prompt.length,
      prefill_s: prefill,
    },
    ...{ ms_per_token: answer, peak_mb: Math.round(peak / 1e6), weights_mb: Math.round(model.weightBytes / 1e6) },
  };
}

/** Hyper attention against pictures in the text sequence. */
async function language(counts) {
  const model = await native().openModel(flags.model, {});
  const { cropTokens, hiddenSize, contextLength } = model.config;
  const rows = [];
  for (const n of counts) {
    const values = Float32Array.from({ length: cropTokens * hiddenSize }, (_, i) => Math.sin(i * 12.9898) / 2);
    const encoded = Array.from({ length: n }, () => ({ embeds: model.embedsFrom(values, 1), crop: 0 }));
    const { prompt, slots } = promptOf(encoded);
    const hyper = await measure(model, prompt, slots);
    for (const { embeds } of encoded) embeds.dispose();
    const length = prompt.length + n * cropTokens;
    const text =
      length <= Math.min(Number(flags.longest), contextLength - 64)
        ? await measure(model, ids(length), [])
        : await extrapolate(model, length, rows);
    const ratio = (key) => Math.round((text[key] / hyper[key]) * 10) / 10;
    rows.push({
      pictures: n,
      hyper,
      text,
      ratio: {
        prefill: ratio("prefill_s"),
        prefill_cpu: ratio("prefill_cpu_s"),
        step: ratio("step_ms"),
        kv: ratio("kv_mb"),
      },
    });
  }
  return rows;
}

async function measure(model, prompt, slots) {
  const session = newSession(model, prompt.length + 64);
  const started = performance.now();
  const cpu = process.cpuUsage();
  await session.prefill(prompt, slots);
  const prefill = seconds(performance.now() - started);
  const { user, system } = process.cpuUsage(cpu);
  const step = await session.steps(Number(flags.tokens));
  session.dispose();
  const plan = model.plan({
    contextLength: prompt.length,
    crops: slots.length,
    sequences: 1,
    kvType: "f16",
    prefillChunk: 512,
  });
  return {
    tokens: prompt.length,
    prefill_s: prefill,
    prefill_cpu_s: seconds((user + system) / 1000),
    step_ms: step,
    kv_mb: Math.round((plan.kvCache + plan.visualKv) / 1e5) / 10,
  };
}

/** Longer than the model's positions or --longest: prefill = a n + b n^2 and step = a + b n through the last two that were measured. */
async function extrapolate(model, length, rows) {
  const measured = rows.map(({ text }) => text).filter((text) => !text.extrapolated);
  const [p, q] = measured.slice(-2);
  if (!q) throw new Error("at least two smaller --pictures are needed to extrapolate");
  const line = (f) => {
    const [x1, x2] = [p.tokens, q.tokens];
    const slope = (f(q) - f(p)) / (x2 - x1);
    return f(p) + slope * (length - x1);
  };
  const plan = model.plan({ contextLength: 512, crops: 0, sequences: 1, kvType: "f16", prefillChunk: 512 });
  return {
    ...{ tokens: length, extrapolated: true },
    prefill_s: seconds(1000 * length * line((m) => m.prefill_s / m.tokens)),
    prefill_cpu_s: seconds(1000 * length * line((m) => m.prefill_cpu_s / m.tokens)),
    step_ms: Math.round(line((m) => m.step_ms) * 100) / 100,
    kv_mb: Math.round(((plan.kvCache / 512) * length) / 1e5) / 10,
  };
}

/** Some text, five ids a frame (a placeholder's), and a question. */
function promptOf(encoded) {
  const before = 20;
  const slots = encoded.map(({ embeds, crop }, i) => ({ embeds, crop, offset: before + 5 * i }));
  return { prompt: ids(before + 5 * encoded.length + 30), slots };
}

function ids(n) {
  return Int32Array.from({ length: n }, (_, i) => 1000 + ((i * 7919) % 50000));
}

function newSession(model, contextLength) {
  const session = model.createSession({ contextLength, kvType: "f16", prefillChunk: 512 });
  const sequence = session.create();
  const sampler = native().createSampler(greedySampling);
  return {
    async prefill(prompt, slots) {
      for (let at = 0; at < prompt.length; at += 512) {
        const part = prompt.subarray(at, at + 512);
        const media = slots.filter(({ offset }) => offset >= at && offset < at + part.length);
        await session.advance([{ sequence, ids: part, media, sampler }]);
      }
    },
    /** Milliseconds a step: the median. */
    async steps(n) {
      const times = [];
      for (let i = 0; i < n; i++) {
        const started = performance.now();
        await session.advance([{ sequence, ids: Int32Array.of(1000 + i), sampler }]);
        times.push(performance.now() - started);
      }
      return Math.round(times.sort((a, b) => a - b)[n >> 1] * 100) / 100;
    },
    dispose: () => session.dispose(),
  };
}
