#!/usr/bin/env node
/** Puts together what gpu.sh left in a folder: node tools/bench/gpu_report.mjs FOLDER OUT GPUS COMMIT */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [folder, out, gpus, commit] = process.argv.slice(2);
const read = (name) => readFileSync(path.join(folder, name), "utf8");
const lines = (name) => read(name).split("\n").filter(Boolean);
/** The files PREFIX-RUN.EXTENSION, of which a run that failed leaves an empty one, as `parse` reads them. */
const all = (prefix, parse) =>
  readdirSync(folder)
    .filter((name) => name.startsWith(`${prefix}-`) && read(name) !== "")
    .sort()
    .map((name) => ({ run: path.parse(name).name.slice(prefix.length + 1), ...parse(name) }));
const jsonLines = (name) => lines(name).map((line) => JSON.parse(line));

/** Steps of gpu.sh: "done", "exit code N", or why they were left out. */
const steps = Object.fromEntries(
  lines("steps.txt").map((line) => {
    const [step, status] = line.split("\t");
    return [step, status === "0" ? "done" : /^\d+$/.test(status) ? `exit code ${status}` : status];
  }),
);
const tests = () => {
  if (!existsSync(path.join(folder, "tests.json"))) return undefined;
  const { numPassedTests: passed, numFailedTests: failed, testResults } = JSON.parse(read("tests.json"));
  const failures = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => ({ test: fullName, message: failureMessages[0]?.split("\n")[0] }));
  return { passed, failed, failures };
};
/** Lines of hashes that the GPU has otherwise than the simulation. */
const hashes = () => {
  if (!existsSync(path.join(folder, "hashes.txt"))) return undefined;
  const expected = readFileSync(new URL("cuda_hashes.txt", import.meta.url), "utf8")
    .split("\n")
    .filter(Boolean);
  const found = lines("hashes.txt");
  return { compared: expected.length, differ: expected.filter((line) => !found.includes(line)) };
};

const result = {
  date: new Date().toISOString(),
  commit,
  gpus: gpus.trim().split("\n"),
  doctor: JSON.parse(read("doctor.json")),
  steps,
  tests: tests(),
  hashes: hashes(),
  bench: all("bench", (name) => JSON.parse(read(name))),
  torch: all("torch", (name) => ({ figures: jsonLines(name) })),
  llama: all("llama", (name) => ({ figures: JSON.parse(read(name)) })),
  libraries: existsSync(path.join(folder, "libraries.jsonl")) ? jsonLines("libraries.jsonl") : undefined,
};
writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`);
