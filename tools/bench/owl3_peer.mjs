#!/usr/bin/env node
/**
 * Answers like the other peers of compare.py (peer.py says how work is asked for): node tools/bench/owl3_peer.mjs MODEL.gguf [WORK...] [--threads 2]
 * [--reps 2]. What is measured is `owl3 bench`'s; a line more says the limits of this machine. Build first (npm run build).
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Bench } from "../../dist/bench/measure.js";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "2" }, reps: { type: "string", default: "2" } },
});
const [path, ...work] = positionals;
const options = { threads: Number(flags.threads), repeat: Number(flags.reps), precision: "auto", parts: [] };
const bench = await Bench.open(path, options);
const say = (object) => console.log(JSON.stringify(object));

const { backend, tokenBytes, weightBytes } = bench.model;
const peaks = await bench.measurePeaks();
say({ version: `owl3 ${backend}`, load: bench.measurements[0].best, peaks, tokenBytes, weightBytes });
const measures = {
  vision: (n = 1) => bench.vision(n),
  prefill: (n) => bench.prefill(n),
  decode: (n = 0) => bench.decode(n),
};
for await (const line of work.length > 0 ? work : createInterface({ input: process.stdin })) {
  const [name, n] = line.trim().split(":");
  const { best, median, unit, limit } = await measures[name](n && Number(n));
  // Rates become seconds, as peers say them.
  const per = name === "prefill" ? Number(n) : 1;
  const seconds = (x) => (unit === "tok/s" ? per / x : x);
  say({ work: line.trim(), best: seconds(best), median: seconds(median), limit });
}
bench.dispose();
