#!/usr/bin/env node
/**
 * Measures what int8 activations change: node tools/bench/drift.mjs MODEL.gguf... [--questions FILE] [--most 200]
 *
 * Every question is answered greedily twice, with float activations (--precision exact) and with int8 blocks (auto). The table has the
 * Kullback-Leibler divergence of the first token's distribution and, for the answers that stay the same, their tokens' perplexity under both.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { Owl } from "../../dist/index.js";
import { heldOut, readQuestions } from "../demo-model/held-out.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    questions: { type: "string", default: heldOut },
    most: { type: "string", default: "200" },
  },
});
const all = readQuestions(values.questions);
const step = Math.max(1, all.length / Number(values.most));
const questions = Array.from(
  { length: Math.min(all.length, Number(values.most)) },
  (_, i) => all[Math.floor(i * step)],
);

console.log(
  "model                          questions  answers kept  KL first token (mean, largest)  perplexity exact, int8",
);
for (const file of positionals) {
  const exact = await answers(file, "exact");
  const int8 = await answers(file, "auto");
  const kl = exact.map(({ logits }, i) => divergence(logits, int8[i].logits));
  const same = exact.map(({ text }, i) => text === int8[i].text);
  const perplexity = (run) => {
    const logprobs = run.filter((_, i) => same[i]).flatMap(({ tokens }) => tokens.map(({ logprob }) => logprob));
    return Math.exp(-mean(logprobs)).toFixed(5);
  };
  console.log(
    `${basename(file).padEnd(30)} ${String(questions.length).padStart(9)} ${String(same.filter(Boolean).length).padStart(13)}` +
      `  ${mean(kl).toExponential(2)}, ${Math.max(...kl).toExponential(2)}`.padEnd(34) +
      `${perplexity(exact)}, ${perplexity(int8)}`,
  );
}

/** Answers of one model and precision: text, tokens, and the logits after the prompt. */
async function answers(file, precision) {
  const owl = await Owl.open(file, { precision });
  const out = [];
  for (const question of questions) {
    const chat = owl.chat({ messages: question.messages, cut: question.cut });
    let logits;
    const onPrefilled = (tensors) => {
      logits = tensors.logits;
    };
    const { text, tokens } = await chat.answer({ maxTokens: 40, temperature: 0, onPrefilled }).result();
    out.push({ text, tokens, logits });
    await chat.dispose();
  }
  await owl.dispose();
  return out;
}

/** KL(p || q) of two rows of logits, in nats. */
function divergence(p, q) {
  const [a, b] = [logSoftmax(p), logSoftmax(q)];
  return a.reduce((sum, value, i) => sum + Math.exp(value) * (value - b[i]), 0);
}

function logSoftmax(row) {
  const top = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const log = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return Array.from(row, (value) => value - log);
}

function mean(numbers) {
  return numbers.reduce((a, b) => a + b, 0) / Math.max(1, numbers.length);
}
