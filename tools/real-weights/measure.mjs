#!/usr/bin/env node
/**
 * Compares the engine's next-token distributions with those of PyTorch in float32:
 *
 *   node measure.mjs IDS.json REFERENCE.f32 MODEL.gguf... [--precision auto,exact] [--kv f16,q8_0] [--chunks 12] [--logits FILE.f32]
 *     [--json OUT.json]
 *
 * IDS.json is from ids.mjs and REFERENCE.f32 from reference.py. The ids are cut into chunks of 512 and the second half of each is scored, as
 * llama-perplexity does. --logits adds a row for a file of another engine's logits, in the form of REFERENCE.f32. A row of the table: mean and largest KL(PyTorch || engine), the largest difference of a logit in standard
 * deviations of the row's logits, how often the likeliest id is the same, and the perplexity of the text. It needs a build (npm run build).
 */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { native } from "../../dist/native/native.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    precision: { type: "string", default: "auto" },
    kv: { type: "string", default: "" },
    chunks: { type: "string", default: "12" },
    threads: { type: "string", default: "0" },
    logits: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
  },
});
const [idsFile, referenceFile, ...files] = positionals;
const ids = JSON.parse(readFileSync(idsFile, "utf8"));
const size = 512;
const half = size / 2;
const vocab = 151936;
const chunks = Number(values.chunks);
const reference = openSync(referenceFile, "r");
const results = [];

console.log(
  "| file | precision | KV | KL mean | KL max | worst logit | top-1 | perplexity |\n|---|---|---|---|---|---|---|---|",
);
for (const file of files)
  for (const precision of values.precision.split(",")) {
    const model = await native().openModel(file, { precision, threads: Number(values.threads) });
    for (const kv of values.kv ? values.kv.split(",") : [model.defaultKvType]) {
      const row = { file: basename(file), backend: model.backend, precision, kv, ...(await measure(model, kv)) };
      report(row);
    }
    model.dispose();
  }
for (const file of values.logits) report({ file: basename(file), precision: "", kv: "", ...measureFile(file) });
closeSync(reference);
if (values.json)
  writeFileSync(
    values.json,
    JSON.stringify({ cpu: cpus()[0].model, date: new Date().toISOString(), results }, null, 1),
  );

function report(row) {
  results.push(row);
  console.log(
    `| ${row.file} | ${row.precision} | ${row.kv} | ${row.kl.toExponential(1)} | ${row.worstKl.toExponential(1)} |` +
      ` ${row.worstLogit.toPrecision(2)} | ${(100 * row.top1).toFixed(1)} % | ${row.perplexity.toFixed(3)} |`,
  );
}

async function measure(model, kvType) {
  const session = model.createSession({ contextLength: size, kvType, prefillChunk: half });
  const sequences = [];
  for (let c = 0; c < chunks; c++) {
    sequences.push(session.create());
    await session.advance([{ sequence: sequences[c], ids: Int32Array.from(ids.slice(c * size, c * size + half)) }]);
  }
  const expected = new Float32Array(vocab);
  const total = nothing();
  for (let at = half; at < size - 1; at++) {
    const rows = await session.advance(
      sequences.map((sequence, c) => ({ sequence, ids: Int32Array.of(ids[c * size + at]), logits: true })),
    );
    for (let c = 0; c < chunks; c++) {
      readSync(reference, expected, 0, vocab * 4, (c * half + at - half) * vocab * 4);
      compare(expected, rows[c].logits, ids[c * size + at + 1], total);
    }
  }
  session.dispose();
  return summary(total);
}

function measureFile(file) {
  const other = openSync(file, "r");
  const expected = new Float32Array(vocab);
  const found = new Float32Array(vocab);
  const total = nothing();
  for (let row = 0; row < chunks * half; row++) {
    if (row % half === half - 1) continue; // what follows it is another text
    readSync(reference, expected, 0, vocab * 4, row * vocab * 4);
    readSync(other, found, 0, vocab * 4, row * vocab * 4);
    compare(expected, found, ids[Math.floor(row / half) * size + half + (row % half) + 1], total);
  }
  closeSync(other);
  return summary(total);
}

function nothing() {
  return { rows: 0, kl: 0, worstKl: 0, worstLogit: 0, same: 0, surprise: 0, referenceSurprise: 0 };
}

function summary(total) {
  return {
    rows: total.rows,
    kl: total.kl / total.rows,
    worstKl: total.worstKl,
    worstLogit: total.worstLogit,
    top1: total.same / total.rows,
    perplexity: Math.exp(total.surprise / total.rows),
    referencePerplexity: Math.exp(total.referenceSurprise / total.rows),
  };
}

function compare(expected, found, next, total) {
  const a = statistics(expected);
  const b = statistics(found);
  let kl = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = expected[i] - found[i];
    kl += Math.exp(expected[i] - a.logSum) * (difference - a.logSum + b.logSum);
    worst = Math.max(worst, Math.abs(difference));
  }
  total.rows++;
  total.kl += kl;
  total.worstKl = Math.max(total.worstKl, kl);
  total.worstLogit = Math.max(total.worstLogit, worst / a.deviation);
  total.same += a.best === b.best ? 1 : 0;
  total.surprise += b.logSum - found[next];
  total.referenceSurprise += a.logSum - expected[next];
}

/** The log of the sum of exponentials, the index of the largest value, and the standard deviation. */
function statistics(logits) {
  let best = 0;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] > logits[best]) best = i;
    sum += logits[i];
    squares += logits[i] * logits[i];
  }
  let exponentials = 0;
  for (let i = 0; i < logits.length; i++) exponentials += Math.exp(logits[i] - logits[best]);
  const mean = sum / logits.length;
  return {
    best,
    logSum: logits[best] + Math.log(exponentials),
    deviation: Math.sqrt(squares / logits.length - mean * mean),
  };
}
