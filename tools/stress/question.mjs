#!/usr/bin/env node
/**
 * Compares what a whole process of `owl3 chat` takes at most with the size of its model: node tools/stress/question.mjs [--shape 2b] [--type q4_k_m] [--limit 1.1].
 * Build first (npm run build). Linux only, with 3 GB of disk; it takes a minute on two idle cores.
 *
 * A model of a published shape with random weights is asked about a JPEG of 12 megapixels twice: the first start repacks the weights, the second one maps
 * them as the first has left them. Both encode all crops. The peak is the highest resident memory of the process: Node, the picture and the pages
 * of files that it has in use count. It may be `limit` times the size of the model file, and both starts must give the same answer. The
 * last line is "N passed, N failed".
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { conclude } from "./checks.mjs";
import { program, temporaryFolder } from "./places.mjs";
import { writeRandomChatModel } from "./random-chat-model.mjs";

const { values: flags } = parseArgs({
  options: {
    shape: { type: "string", default: "2b" },
    type: { type: "string", default: "q4_k_m" },
    limit: { type: "string", default: "1.1" },
  },
});
const timeout = 1_200_000;

const folder = temporaryFolder("question");
const [model, picture] = ["model.gguf", "picture.jpg"].map((name) => path.join(folder, name));
await writeRandomChatModel(model, flags.shape, flags.type);
await writePicture(picture);
const size = statSync(model).size;
const checks = {};
const answers = [];
for (const start of ["repacks the weights", "maps them"]) {
  const { text, memory } = ask();
  answers.push(text);
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  const share = `${mb(memory.peak_rss)} MB at most, ${((100 * memory.peak_rss) / size).toFixed(1)} % of the model's ${mb(size)}`;
  checks[`a start that ${start}: ${share}`] = memory.peak_rss <= flags.limit * size;
}
checks["both answers are the same"] = answers[0] !== "" && answers[0] === answers[1];
conclude(checks);

/** Writes a picture of which every pixel differs from its neighbours, as in a photograph. */
async function writePicture(file) {
  const noise = { type: "gaussian", mean: 128, sigma: 30 };
  await sharp({ create: { width: 4000, height: 3000, channels: 3, noise } })
    .jpeg({ quality: 90 })
    .toFile(file);
}

/** Asks about the picture and returns what `owl3 chat --json` prints. */
function ask() {
  const args = [program, "chat", picture, "-p", "What is this?", "--model", model, "--no-cache", "--json"];
  const run = spawnSync(process.execPath, [...args, "--max-tokens", "8", "--temperature", "0"], {
    env: { PATH: process.env.PATH, HOME: folder, OWL3_CACHE_DIR: path.join(folder, "cache") },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout,
  });
  if (run.status !== 0) throw new Error(`owl3 chat ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout);
}
