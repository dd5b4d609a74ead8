#!/usr/bin/env node
/**
 * Measures how much faster answers are that share passes: node tools/bench/sharing.mjs [--model FILE.gguf | --shape 2b --type q4_k_m] [--clients 1,2,4] [--tokens 64]
 * [--prompt 74] [--rounds 3] [--json]. Build first (npm run build).
 *
 * Each client has a text prompt of its own and draws tokens greedily. The clients answer at the same time, over one scheduler, and one after the
 * other, in turns; tokens a second are those of all answers over the time from the first question to the last token, the best of the rounds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Admission } from "../../dist/decode/admission.js";
import { greedySampling } from "../../dist/decode/sampling.js";
import { Scheduler } from "../../dist/decode/scheduler.js";
import { native, nativeCall } from "../../dist/native/native.js";
import { Turns } from "../../dist/native/turns.js";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    shape: { type: "string", default: "2b" },
    type: { type: "string", default: "q4_k_m" },
    clients: { type: "string", default: "1,2,4" },
    tokens: { type: "string", default: "64" },
    prompt: { type: "string", default: "74" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const [tokens, length, rounds] = [flags.tokens, flags.prompt, flags.rounds].map(Number);

const folder = mkdtempSync(path.join(tmpdir(), "owl3-bench-sharing-"));
try {
  const file = flags.model ?? path.join(folder, "random.gguf");
  if (!flags.model)
    await (await import("../../dist/bench/random-model.js")).writeRandomModel(file, flags.shape, flags.type);
  const model = await nativeCall(() => native().openModel(file, { threads: 0, precision: "auto" }));
  await seconds(model, 1, "together"); // touches the weights
  const results = [];
  for (const clients of flags.clients.split(",").map(Number)) {
    const best = { together: 0, inTurn: 0 };
    for (let round = 0; round < rounds; round++)
      for (const way of Object.keys(best))
        best[way] = Math.max(best[way], (clients * tokens) / (await seconds(model, clients, way)));
    results.push({ clients, ...best, ratio: best.together / best.inTurn });
    if (!flags.json)
      console.log(
        `${clients} at a time: ${best.together.toFixed(1)} tok/s together, ${best.inTurn.toFixed(1)} in turn: ` +
          `${(best.together / best.inTurn).toFixed(2)} x`,
      );
  }
  if (flags.json) console.log(JSON.stringify({ backend: model.backend, threads: model.threads, results }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function seconds(model, clients, way) {
  const kvType = model.defaultKvType;
  const scheduler = new Scheduler({ model, kvType, turns: new Turns(), admission: new Admission(() => 1e10) });
  const started = performance.now();
  const answers = [];
  for (let client = 0; client < clients; client++) {
    const answer = answerOf(scheduler, client, model.config.vocabSize);
    if (way === "inTurn") await answer;
    answers.push(answer);
  }
  await Promise.all(answers);
  scheduler.dispose();
  return (performance.now() - started) / 1000;
}

async function answerOf(scheduler, client, vocabulary) {
  const ids = Array.from({ length }, (_, i) => (client * 104729 + i * 7919) % vocabulary);
  const sampler = native().createSampler(greedySampling);
  const sequence = await scheduler.open({ ids, crops: [] }, 0);
  for (let i = 0; i < tokens; i++) await sequence.next({ sampler });
  sequence.release();
}
