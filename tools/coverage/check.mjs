/**
 * Checks how much of the C++ a profile covers: node tools/coverage/check.mjs PROFILE OBJECT... All lines of the files below must have run, but for those that
 * say in a comment why they "can't happen", and 95 % of the ways that their conditions can go.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const parts = {
  loader: /^native\/gguf\/(gguf|gguf_parse|quant)\.(h|cpp)$/,
  "schema machine": /^native\/constrain\/\w+\.(h|cpp)$/,
  sampler: /^native\/sample\/\w+\.(h|cpp)$/,
};
const least = { lines: 1, branches: 0.95 };
/** Labels and closing braces are no code, nor is the text of a macro where it is defined. */
const noCode = /^\s*(}|case [\w:]+:|default:)\s*$/;
const cannotHappen = /\/\/.*\bcan't happen\b/;

const [profile, first, ...others] = process.argv.slice(2);
const objects = [first, ...others.flatMap((object) => ["-object", object])];

function llvmCov(command, ...options) {
  const run = spawnSync("llvm-cov", [command, ...objects, `-instr-profile=${profile}`, ...options], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout;
}

/** The path of a file in the repository; compilers may be told others. */
function inTree(name) {
  return name.replace(/^.*(?=\/native\/)/, "").slice(1);
}

/** Counted lines by file: "file: ", then lines "NUMBER|COUNT|TEXT". */
const lines = new Map();
let file = [];
for (const line of llvmCov("show", "-show-instantiations=false").split("\n")) {
  const name = /^(\S+):$/.exec(line)?.[1];
  if (name !== undefined) {
    file = [];
    lines.set(inTree(name), file);
  }
  const [, number, count, text] = /^\s*(\d+)\|\s*([\d.]+[kMGT]?)\|(.*)$/.exec(line) ?? [];
  if (count !== undefined) file.push({ number: Number(number), ran: count !== "0", text });
}
const branches = new Map(
  JSON.parse(llvmCov("export")).data[0].files.map((one) => [inTree(one.filename), one.branches]),
);

let failed = 0;
for (const [part, pattern] of Object.entries(parts)) {
  const sum = { lines: [0, 0], branches: [0, 0] };
  const missed = [];
  for (const [name, all] of lines) {
    if (!pattern.test(name)) continue;
    const text = readFileSync(name, "utf8").split("\n");
    const isDefinition = (i) => /^#define|\\$/.test(text[i]) || (i > 0 && /\\$/.test(text[i - 1]));
    const left = text.map((line, i) => cannotHappen.test(line) || noCode.test(line) || isDefinition(i));
    const argued = new Set(left.flatMap((one, i) => (one ? [i + 1] : [])));
    const counted = all.filter(({ number }) => !argued.has(number));
    sum.lines[0] += counted.filter(({ ran }) => ran).length;
    sum.lines[1] += counted.length;
    for (const { number, text } of counted.filter(({ ran }) => !ran))
      missed.push(`${name}:${number} did not run:${text}`);
    for (const [line, , , , yes, no] of branches.get(name) ?? []) {
      if (argued.has(line)) continue;
      sum.branches[0] += (yes > 0) + (no > 0);
      sum.branches[1] += 2;
      if (yes === 0 || no === 0) missed.push(`${name}:${line} was never ${yes === 0 ? "true" : "false"}`);
    }
  }
  const shares = Object.entries(sum).map(([kind, [ran, all]]) => ({
    kind,
    share: all === 0 ? 0 : ran / all,
    ran,
    all,
  }));
  const fine = shares.every(({ kind, share }) => share >= least[kind]);
  if (!fine) failed++;
  console.log(
    `${fine ? "ok" : "FAIL"} ${part}: ${shares.map(({ kind, share, ran, all }) => `${(100 * share).toFixed(2)} % of ${kind} (${ran} of ${all})`).join(", ")}`,
  );
  if (!fine || process.env.OWL3_COVERAGE_ALL) for (const one of missed) console.log(`  ${one}`);
}
process.exitCode = failed === 0 ? 0 : 1;
