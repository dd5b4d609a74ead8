#!/usr/bin/env node
/**
 * Asks the held-out questions through the built library and prints exact answers per skill, and how often the answer is the one that the
 * PyTorch model gave: node tools/demo-model/eval.mjs [MODEL.gguf] [--short] [--device cpu] [--questions FILE]
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    device: { type: "string", default: "auto" },
    questions: { type: "string", default: resolve(root, "test/fixtures/demo-eval/questions.jsonl") },
  },
});
const { Owl } = await import(resolve(root, "dist/index.js"));
const folder = dirname(values.questions);
const questions = readFileSync(values.questions, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter((question) => question.short || !values.short);

const owl = await Owl.open(positionals[0] ?? resolve(root, "models/owl3-demo.gguf"), { device: values.device });
const groups = new Map();
const started = performance.now();
for (const question of questions) {
  const chat = owl.chat({ messages: question.messages.map(withPaths), cut: question.cut });
  const { text } = await chat.answer({ maxTokens: 120 }).result();
  await chat.dispose();
  for (const name of [question.group, "all"]) {
    const row = groups.get(name) ?? { asked: 0, right: 0, python: 0, same: 0 };
    row.asked += 1;
    row.right += text === question.answer;
    row.python += question.model === question.answer;
    row.same += text === question.model;
    groups.set(name, row);
  }
  if (text !== question.model)
    console.error(
      `${question.id} ${question.skill}: ${text} | python: ${question.model} (lead ${question.gap}) | right: ${question.answer}`,
    );
}
const backend = owl.backend;
const seconds = (performance.now() - started) / 1000;
await owl.dispose();

console.log("                     asked   right   python right   same as python");
for (const [name, row] of groups)
  console.log(
    `${name.padEnd(18)} ${String(row.asked).padStart(7)} ${percent(row.right, row)} ${percent(row.python, row).padStart(13)} ${percent(row.same, row).padStart(16)}`,
  );
console.log(`${questions.length} questions in ${seconds.toFixed(1)} s, ${backend}`);

function percent(n, row) {
  return `${((100 * n) / row.asked).toFixed(1)} %`.padStart(8);
}

function withPaths(message) {
  if (typeof message.content === "string") return message;
  const content = message.content.map((part) => {
    if (part.path) return { ...part, path: resolve(folder, part.path) };
    if (part.frames) return { ...part, frames: part.frames.map((frame) => resolve(folder, frame)) };
    return part;
  });
  return { ...message, content };
}
