#!/usr/bin/env node
/**
 * The demo model's exam: npm run eval:demo -- [MODEL.gguf] [--short] [--json FILE] [--also NAME=FILE.gguf]... [--questions FILE]
 *
 * The held-out questions go to the file as it is, on every instruction set of this machine; to the same weights unpacked to f32 and computed
 * exactly; to a q4_k_m file made of them; and with the cache on disk, empty and filled. Scalar code is slow and gets the short set. Each of
 * these is a row of the table: exact answers in percent, and how many answers equal those of the PyTorch model (float32, the same weights) and
 * of the file as shipped; where some differ from PyTorch's, also the largest lead (log-probability) of PyTorch's token over the next best.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { native } from "../../dist/native/native.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const owl3 = here("../../bin/owl3.js");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    json: { type: "string" },
    also: { type: "string", multiple: true, default: [] },
    questions: { type: "string", default: here("../../test/fixtures/demo-eval/questions.jsonl") },
  },
});
const model = resolve(positionals[0] ?? here("../../models/owl3-demo.gguf"));
const questions = readFileSync(values.questions, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter((question) => question.short || !values.short);
const shown = ["one picture", "several pictures", "32 pictures", "video", "small print"];
const groups = [...new Set([...shown, ...questions.map(({ group }) => group)])];

const scratch = mkdtempSync(join(tmpdir(), "owl3-eval-"));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main() {
  const { isa, available } = native().systemInfo();
  const f32 = await quantized("f32");
  const q4 = await quantized("q4_k_m");
  const exact = ["--precision", "exact"];
  const rows = [row("PyTorch, float32", questions, new Map(questions.map((one) => [one.id, one.model])))];
  const first = await run(`as shipped (q8_0), ${isa}`, model);
  rows.push(first);
  for (const other of available.filter((name) => name !== isa).reverse()) {
    const short = other === "scalar";
    rows.push(await run(`as shipped, ${other}${short ? ", short" : ""}`, model, { env: { OWL3_ISA: other }, short }));
  }
  rows.push(await run("unpacked to f32, exact", f32, { args: exact }));
  rows.push(await run("q4_k_m made of it", q4));
  rows.push(await run("cache on disk, empty", model, { args: ["--cache"] }));
  rows.push(await run("cache on disk, filled", model, { args: ["--cache"] }));
  for (const [name, file] of values.also.map((text) => text.split("=", 2)))
    rows.push(await run(name, file, { args: exact }));
  for (const one of rows)
    one.asShipped = [...one.answers].filter(([id, text]) => text === first.answers.get(id)).length;

  const opening = await firstAnswer();
  print(rows);
  console.log(`\n${opening.command}: ${opening.seconds.toFixed(2)} s from nothing to "${opening.answer}"`);
  if (!values.json) return;
  const table = rows.map(({ answers: _, ...rest }) => rest);
  const machine = `${cpus()[0]?.model.trim()}, ${native().systemInfo().physicalCores} cores`;
  const report = { date: new Date().toISOString().slice(0, 10), machine, bytes: statSync(model).size, groups, opening };
  writeFileSync(values.json, `${JSON.stringify({ ...report, rows: table }, null, 1)}\n`);
}

/** Asks everything in a process of its own; answers that differ from PyTorch's go to stderr. */
async function run(name, file, { args = [], env = {}, short = values.short } = {}) {
  process.stderr.write(`${name} ...\n`);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [here("ask.mjs"), file, "--questions", values.questions, ...(short ? ["--only", "short"] : []), ...args],
    { env: { ...process.env, OWL3_CACHE_DIR: join(scratch, "cache"), ...env }, maxBuffer: 2 ** 26 },
  );
  const lines = stdout.trimEnd().split("\n").map(JSON.parse);
  const { backend, seconds } = lines.pop();
  const answers = new Map(lines.map(({ id, text }) => [id, text]));
  const put = questions.filter((one) => one.short || !short);
  for (const one of put) {
    const text = answers.get(one.id);
    if (text !== one.model)
      process.stderr.write(`  ${one.id} ${text} | PyTorch: ${one.model} (lead ${one.gap}) | right: ${one.answer}\n`);
  }
  return { ...row(name, put, answers), backend, seconds };
}

/** A row of the table: the answers to the questions `put`. */
function row(name, put, answers) {
  const others = put.filter(({ id, model: text }) => answers.get(id) !== text);
  const scores = groups.map((group) => {
    const of = put.filter((one) => one.group === group);
    return [group, { right: of.filter(({ id, answer }) => answers.get(id) === answer).length, asked: of.length }];
  });
  return {
    name,
    asked: put.length,
    scores: Object.fromEntries(scores),
    asPython: put.length - others.length,
    maxLead: Math.max(0, ...others.map(({ gap }) => gap)),
    answers,
  };
}

async function quantized(type) {
  const file = join(scratch, `${type}.gguf`);
  await promisify(execFile)(process.execPath, [owl3, "quantize", model, file, "--type", type, "-q"]);
  return file;
}

/** The median of three runs of the whole command. */
async function firstAnswer() {
  const args = ["chat", "examples/shapes.png", "-p", "What is in this picture?"];
  const runs = [];
  for (let i = 0; i < 3; i++) {
    const started = performance.now();
    const { stdout } = await promisify(execFile)(process.execPath, [owl3, ...args, "--no-cache", "-m", model], {
      cwd: here("../.."),
    });
    runs.push({ seconds: (performance.now() - started) / 1000, answer: stdout.trim() });
  }
  runs.sort((a, b) => a.seconds - b.seconds);
  return { command: `owl3 chat examples/shapes.png -p "What is in this picture?"`, ...runs[1] };
}

function print(rows) {
  const percent = ({ right, asked }) => `${((100 * right) / asked).toFixed(1)} %`;
  const table = [
    ["", ...groups, "as PyTorch", "as shipped", "lead lost", "time"],
    ["asked", ...groups.map((name) => String(rows[0].scores[name].asked)), String(rows[0].asked), "", "", ""],
    ...rows.map((one) => [
      one.name,
      ...groups.map((name) => percent(one.scores[name])),
      `${one.asPython} of ${one.asked}`,
      `${one.asShipped} of ${one.asked}`,
      one.asPython === one.asked ? "" : String(one.maxLead),
      one.seconds === undefined ? "" : `${one.seconds.toFixed(0)} s`,
    ]),
  ];
  const widths = table[0].map((_, i) => Math.max(...table.map((line) => line[i].length)));
  for (const line of table)
    console.log(line.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join("  "));
}
