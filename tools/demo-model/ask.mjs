#!/usr/bin/env node
/**
 * Asks a model the held-out questions through the built library: node ask.mjs MODEL.gguf [--only short|ID,ID...] [--precision P] [--cache]
 * [--questions FILE]. Prints one JSON line {id, text} per answer, then {backend, loadMs, seconds}. OWL3_ISA chooses the kernels.
 */
import { parseArgs } from "node:util";
import { Owl } from "../../dist/index.js";
import { heldOut, readQuestions } from "./held-out.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    precision: { type: "string", default: "auto" },
    cache: { type: "boolean", default: false },
    questions: { type: "string", default: heldOut },
  },
});
const wanted = values.only?.split(",");
const questions = readQuestions(values.questions).filter(
  (one) => !wanted || (values.only === "short" ? one.short : wanted.includes(one.id)),
);

const started = performance.now();
const owl = await Owl.open(positionals[0], { precision: values.precision, cache: values.cache });
const loadMs = performance.now() - started;
for (const { id, messages, cut } of questions) {
  const chat = owl.chat({ messages, cut });
  const { text } = await chat.answer({ maxTokens: 80 }).result();
  await chat.dispose();
  console.log(JSON.stringify({ id, text }));
}
console.log(JSON.stringify({ backend: owl.backend, loadMs, seconds: (performance.now() - started) / 1000 }));
await owl.dispose();
