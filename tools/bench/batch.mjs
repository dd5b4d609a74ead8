#!/usr/bin/env node
/**
 * Measures rows a minute of a batch: node tools/bench/batch.mjs [--model FILE.gguf | --shape 1b --type q4_k_m] [--concurrency 1,2,4,8] [--rows 32]
 * [--tokens 16] [--pictures 8] [--rounds 2] [--json]. Build first (npm run build).
 *
 * Rows are short captions of a few pictures whose crops were encoded before, each under a prompt of its own, so that decoding takes the time. They are
 * answered as `owl3 batch` answers them, with each concurrency in turn, and one after the other as a loop over chats does. The best of the rounds
 * counts. A random model has no tokenizer: prompts are tokenized by the demo model's, and answers always have `--tokens` tokens.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { answerRow } from "../../dist/batch/answer.js";
import { RowFiles } from "../../dist/batch/media.js";
import { RowMaker } from "../../dist/batch/row.js";
import { Owl } from "../../dist/chat/owl.js";
import { promptTokenizer } from "../../dist/chat/prompt-tokenizer.js";
import { demoModel } from "../../dist/models/folder.js";
import { native, nativeCall } from "../../dist/native/native.js";
import { runRows } from "../../dist/rows/loop.js";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    shape: { type: "string", default: "1b" },
    type: { type: "string", default: "q4_k_m" },
    concurrency: { type: "string", default: "1,2,4,8" },
    rows: { type: "string", default: "32" },
    tokens: { type: "string", default: "16" },
    pictures: { type: "string", default: "8" },
    rounds: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});
const [count, maxTokens, pictures, rounds] = [flags.rows, flags.tokens, flags.pictures, flags.rounds].map(Number);
const ways = ["loop", ...flags.concurrency.split(",").map(Number)];

const folder = mkdtempSync(path.join(tmpdir(), "owl3-bench-batch-"));
try {
  const file = flags.model ?? path.join(folder, "random.gguf");
  if (!flags.model)
    await (await import("../../dist/bench/random-model.js")).writeRandomModel(file, flags.shape, flags.type);
  const owl = await Owl.openWith(native(), file, {}, flags.model ? {} : { tokenizer: await borrowed() });
  const rows = await makeRows();
  const settings = {
    files: await RowFiles.open(),
    chat: { cut: false },
    ask: { maxTokens, temperature: 0 },
    ...{ interleave: false, seed: 0 },
  };
  await run(owl, rows.slice(0, pictures), settings, 1); // encodes the pictures
  const best = Object.fromEntries(ways.map((way) => [way, 0]));
  for (let round = 0; round < rounds; round++)
    for (const way of ways) {
      const started = performance.now();
      if (way === "loop") for (const row of rows) await answerRow(owl, row, settings, async () => {});
      else await run(owl, rows, settings, way);
      best[way] = Math.max(best[way], (60_000 * rows.length) / (performance.now() - started));
    }
  if (flags.json) console.log(JSON.stringify({ backend: owl.backend, rows_a_minute: best }));
  else
    for (const way of ways)
      console.log(
        `${way === "loop" ? "one after the other" : `concurrency ${way}`}: ${best[way].toFixed(1)} rows a minute, ` +
          `${(best[way] / best.loop).toFixed(2)} x`,
      );
  await owl.dispose();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function run(owl, rows, settings, concurrency) {
  await runRows(
    rows,
    (row, place) => answerRow(owl, row, settings, place),
    ({ result }) => {
      if ("code" in result) throw new Error(result.message);
    },
    { concurrency, ahead: 2 },
  );
}

/** Rows about a few pictures of noise. */
async function makeRows() {
  const files = [];
  for (let i = 0; i < pictures; i++) {
    const data = randomBytes(640 * 480 * 3);
    const name = path.join(folder, `${i}.jpg`);
    await sharp(data, { raw: { width: 640, height: 480, channels: 3 } })
      .jpeg()
      .toFile(name);
    files.push(name);
  }
  const maker = new RowMaker({ map: [], format: "rows" }, true);
  return Array.from({ length: count }, (_, i) => {
    const value = { id: String(i), image: files[i % pictures], prompt: `${i}: what is in this picture?` };
    return maker.make({ value, base: "", options: true });
  });
}

async function borrowed() {
  const model = await nativeCall(() => native().openModel(demoModel, { device: "cpu", threads: 1, precision: "auto" }));
  const tokenizer = promptTokenizer(model.metadata, demoModel);
  model.dispose();
  const stream = () => ({ push: () => "x", end: () => "" });
  return { ...tokenizer, eosIds: new Set(), stream, text: () => "x" };
}
