#!/usr/bin/env node
/**
 * Computes the same answers in every way that must not matter: node tools/stress/determinism.mjs [--isa NAME]... [--threads 8] [--short]. Build first (npm run build).
 *
 * On each instruction set of this machine (OWL3_ISA, in a process of its own) the demo model answers questions about pictures, one alone on one thread.
 * Then with 1 to 8 threads, prompts in chunks of 1, 7, 64 and 512 rows, 1 to 8 sequences in a pass, forks, prefixes that were kept, crops encoded with
 * others or taken from values, the cache of crops off, empty and filled, and a conversation that goes on from what was saved of it. All logits, ids
 * and log-probabilities must be the same bits. MODEL.md ("Numbers") promises it. The last line is "N passed, N failed".
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Owl } from "../../dist/index.js";
import { loadImage } from "../../dist/media/image.js";
import { native } from "../../dist/native/native.js";
import { demo, example, temporaryFolder } from "./places.mjs";

const { values: flags } = parseArgs({
  options: {
    isa: { type: "string", multiple: true },
    threads: { type: "string", default: "8" },
    short: { type: "boolean", default: false },
    inside: { type: "boolean", default: false }, // the script's own processes
  },
});
const pictures = ["shapes.png", "before.png", "after.png", "six.png"];
const steps = 6;
const sums = { passed: 0, failed: 0 };

if (flags.inside) await inside();
else {
  for (const isa of flags.isa ?? native().systemInfo().available) {
    const args = ["--inside", "--threads", flags.threads, ...(flags.short ? ["--short"] : [])];
    const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
      encoding: "utf8",
      env: { ...process.env, OWL3_ISA: isa },
      stdio: ["ignore", "pipe", "inherit"],
    });
    process.stdout.write(run.stdout.replace(/^/gm, `${isa}: `).replace(/\S+: $/, ""));
    const [, passed, failed] = /(\d+) passed, (\d+) failed\n$/.exec(run.stdout) ?? [0, 0, 1];
    sums.passed += Number(passed);
    sums.failed += Number(failed);
  }
}
console.log(`${sums.passed} passed, ${sums.failed} failed`);
process.exitCode = sums.failed === 0 ? 0 : 1;

/** Counts whether two lists of numbers are the same, bit for bit. */
function same(what, a, b) {
  const equal = a.length === b.length && a.every((one, i) => Buffer.compare(bits(one), bits(b[i])) === 0);
  sums[equal ? "passed" : "failed"]++;
  if (!equal) console.log(`FAIL ${what}`);
}
function bits(values) {
  const floats = Float64Array.from(values);
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength);
}

async function inside() {
  await passes();
  await answers();
}

/** Returns the ids of questions, and the pictures that each sees. */
function questions(model) {
  const { vocabSize } = model.config;
  return Array.from({ length: 8 }, (_, q) => ({
    ids: Int32Array.from({ length: 20 + 9 * q }, (_, i) => (7 + 31 * q + ((i * 7919) % 900)) % vocabSize),
    crops: Array.from({ length: q % 4 }, (_, i) => ({ crop: (q + i) % pictures.length, offset: 2 + 5 * i })),
  }));
}

/** Logits of sequences, in passes of the engine. */
async function passes() {
  const pixels = [];
  for (const name of pictures) {
    const { data, width, height } = await loadImage(example(name));
    pixels.push(await native().cutImage(data, width, height, 126, null));
  }
  const together = Buffer.concat(pixels);
  const expected = [];
  for (let threads = 1; threads <= Number(flags.threads); threads++) {
    const model = await native().openModel(demo, { threads });
    const all = await model.encode(together, pixels.length);
    const asked = questions(model);
    const alone = [];
    for (const one of pixels) alone.push(await model.encode(one, 1));
    const size = all.toFloat32().length / pixels.length;
    const values = Array.from({ length: pixels.length }, (_, i) => all.toFloat32().slice(i * size, (i + 1) * size));
    same(
      `${threads} threads: crops alone and together`,
      values,
      alone.map((one) => one.toFloat32()),
    );
    const saved = values.map((one) => model.embedsFrom(one, 1));
    const ways = {
      together: (crop) => [all, crop],
      alone: (crop) => [alone[crop], 0],
      saved: (crop) => [saved[crop], 0],
    };
    if (threads === 1) for (const one of asked) expected.push(...(await ask(model, [one], 512, ways.alone)));
    const chunks = flags.short ? [7] : [1, 7, 64, 512];
    for (const chunk of chunks)
      for (const [q, question] of asked.entries())
        same(
          `${threads} threads, chunks of ${chunk}, question ${q}`,
          (await ask(model, [question], chunk, ways.together))[0],
          expected[q],
        );
    for (let batch = 1; batch <= asked.length; batch++) {
      const many = await ask(model, asked.slice(0, batch), 64, ways.saved);
      for (const [q, one] of many.entries())
        same(`${threads} threads, ${batch} at once, question ${q}`, one, expected[q]);
    }
    await forks(model, asked[5], expected[5], ways.alone, `${threads} threads`);
    model.dispose();
  }
}

function picked(logits) {
  return logits.reduce((best, value, i) => (value > logits[best] ? i : best), 0);
}
function slots({ crops }, way) {
  return crops.map(({ crop, offset }) => ({ offset, embeds: way(crop)[0], crop: way(crop)[1] }));
}

/** Prefills questions in chunks, then steps their sequences together: the logits after each prompt and each step. */
async function ask(model, asked, chunk, way) {
  const session = model.createSession({ contextLength: 256, kvType: model.defaultKvType, prefillChunk: 512 });
  const lists = asked.map(() => []);
  const sequences = [];
  for (const [q, one] of asked.entries()) {
    const sequence = session.create();
    for (let at = 0; at < one.ids.length; at += chunk) {
      const ids = one.ids.subarray(at, at + chunk);
      const media = slots(one, way).filter(({ offset }) => offset >= at && offset < at + ids.length);
      const [{ logits }] = await session.advance([{ sequence, ids, media, logits: true }]);
      if (at + chunk >= one.ids.length) lists[q].push(logits);
    }
    sequences.push(sequence);
  }
  for (let i = 0; i < steps; i++) {
    const parts = sequences.map((sequence, q) => ({
      sequence,
      ids: Int32Array.of(picked(lists[q].at(-1))),
      logits: true,
    }));
    for (const [q, { logits }] of (await session.advance(parts)).entries()) lists[q].push(logits);
  }
  session.dispose();
  return lists;
}

/** The same steps by a fork, by the sequence that it was forked from, and behind a prefix that was kept. */
async function forks(model, question, expected, way, what) {
  const session = model.createSession({ contextLength: 256, kvType: model.defaultKvType, prefillChunk: 512 });
  const sequence = session.create();
  const [{ logits }] = await session.advance([
    { sequence, ids: question.ids, media: slots(question, way), logits: true },
  ]);
  const fork = session.fork(sequence);
  const step = async (of) => {
    const list = [logits];
    for (let i = 0; i < steps; i++) {
      const [next] = await session.advance([{ sequence: of, ids: Int32Array.of(picked(list.at(-1))), logits: true }]);
      list.push(next.logits);
    }
    return list;
  };
  same(`${what}: a fork`, await step(fork), expected);
  same(`${what}: what it was forked from`, await step(sequence), expected);
  const cut = question.ids.length - 7;
  session.truncate(sequence, cut);
  const [again] = await session.advance([{ sequence, ids: question.ids.subarray(cut), logits: true }]);
  same(`${what}: behind a kept prefix`, [again.logits], expected.slice(0, 1));
  session.dispose();
}

/** Ids and log-probabilities of whole answers. */
async function answers() {
  const folder = temporaryFolder("determinism");
  process.env.OWL3_CACHE_DIR = folder;
  const image = { type: "image", path: example("shapes.png") };
  const first = [image, { type: "text", text: "What is in this picture?" }];
  const second = [{ type: "text", text: "Is there a blue star?" }];
  const options = { maxTokens: 8, temperature: 0 };
  const numbers = ({ tokens }) => tokens.map(({ id, logprob }) => [id, logprob]);
  const ask = (chat, question, how = options) => chat.ask(question, how).result();
  let expected;
  for (const [name, cache] of [
    ["no cache", false],
    ["an empty cache", true],
    ["a filled cache", true],
  ]) {
    const owl = await Owl.open(demo, { threads: 2, cache });
    const chat = owl.chat();
    const one = await ask(chat, first);
    const two = await ask(chat, second);
    expected ??= { one, two };
    same(`${name}: the first answer`, numbers(one), numbers(expected.one));
    same(`${name}: the second answer`, numbers(two), numbers(expected.two));
    const other = owl.chat();
    same(`${name}: asked again, behind a prefix`, numbers(await ask(other, first)), numbers(expected.one));
    // As a session keeps it: the turns, and the ids of the answer.
    const ids = expected.one.tokens.map(({ id }) => id);
    const messages = [
      { role: "user", content: first },
      { role: "assistant", content: expected.one.text, ids },
    ];
    const resumed = await Owl.open(demo, { threads: 1, cache: false });
    same(`${name}: resumed`, numbers(await ask(resumed.chat({ messages }), second)), numbers(expected.two));
    await resumed.dispose();
    const drawn = { maxTokens: 8, temperature: 1.1, seed: 3 };
    const draws = [await ask(owl.chat(), first, drawn), await ask(owl.chat(), first, drawn)];
    expected.drawn ??= draws[0];
    for (const draw of draws) same(`${name}: drawn by a seed`, numbers(draw), numbers(expected.drawn));
    await owl.dispose();
  }
}
