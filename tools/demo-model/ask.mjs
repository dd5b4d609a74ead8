#!/usr/bin/env node
/**
 * Asks a model the held-out questions through the built library: node ask.mjs MODEL.gguf [--only short|ID,ID...] [--precision P] [--cache]
 * [--questions FILE]. Prints one JSON line {id, text} an answer, then {backend, loadMs, seconds}. OWL3_ISA chooses the kernels.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Owl } from "../../dist/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    precision: { type: "string", default: "auto" },
    cache: { type: "boolean", default: false },
    questions: {
      type: "string",
      default: fileURLToPath(new URL("../../test/fixtures/demo-eval/questions.jsonl", import.meta.url)),
    },
  },
});
const folder = dirname(values.questions);
const wanted = values.only?.split(",");
const questions = readFileSync(values.questions, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter((one) => !wanted || (values.only === "short" ? one.short : wanted.includes(one.id)));

const started = performance.now();
const owl = await Owl.open(positionals[0], { precision: values.precision, cache: values.cache });
const loadMs = performance.now() - started;
for (const { id, messages, cut } of questions) {
  const chat = owl.chat({ messages: messages.map(withPaths), cut });
  const { text } = await chat.answer({ maxTokens: 80 }).result();
  await chat.dispose();
  console.log(JSON.stringify({ id, text }));
}
console.log(JSON.stringify({ backend: owl.backend, loadMs, seconds: (performance.now() - started) / 1000 }));
await owl.dispose();

function withPaths({ role, content }) {
  const part = (one) => ({
    ...one,
    ...(one.path && { path: resolve(folder, one.path) }),
    ...(one.frames && { frames: one.frames.map((frame) => resolve(folder, frame)) }),
  });
  return { role, content: typeof content === "string" ? content : content.map(part) };
}
