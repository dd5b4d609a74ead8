#!/usr/bin/env node
/**
 * Opens the demo model, asks and closes it again and again in one process: node tools/stress/cycles.mjs [--count 10000] [--workers N] [--step 500]. Build first
 * (npm run build).
 *
 * Every answer must be that of the first cycle. Memory is read after each step, when garbage was collected: the C library keeps what was once in use, so
 * the first half warms up. Readings scatter by a few percent: from the median of those in the third quarter to that in the last one resident memory may
 * grow by 1 %, and no descriptor may be left. With --workers each
 * cycle runs in one of N worker threads, and two models are open in each. The last line is "N passed, N failed".
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { conclude, taken } from "./checks.mjs";
import { demo, example } from "./places.mjs";

/** One cycle with `models` models open at once: the answers, joined. */
async function cycle(models) {
  const { Owl } = await import("../../dist/index.js");
  const open = () => Owl.open(demo, { threads: 1, cache: false });
  const owls = await Promise.all(Array.from({ length: models }, open));
  try {
    const ask = (owl, picture) => {
      const image = { type: "image", path: example(picture) };
      return owl
        .chat({ cut: false })
        .ask([image, { type: "text", text: "What is in this picture?" }], { maxTokens: 8, temperature: 0 })
        .text();
    };
    return (await Promise.all(owls.map((owl, i) => ask(owl, ["shapes.png", "six.png"][i % 2])))).join(" | ");
  } finally {
    await Promise.all(owls.map((owl) => owl.dispose()));
  }
}

if (isMainThread) await main();
else {
  for (let i = 0; i < workerData.count; i++) parentPort.postMessage(await cycle(2));
}

async function main() {
  const { values: flags } = parseArgs({
    options: {
      count: { type: "string", default: "10000" },
      workers: { type: "string", default: "0" },
      step: { type: "string", default: "500" },
    },
  });
  const [count, workers, step] = [flags.count, flags.workers, flags.step].map(Number);
  if (!(count >= 4 * step && step > 0))
    throw new Error("--count must be four times --step or more: quarters are compared");
  const answers = new Map();
  const sizes = [];
  for (let done = 0; done < count; ) {
    const now = Math.min(step, count - done);
    for await (const answer of workers > 0 ? inWorkers(workers, now) : inTurn(now))
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    done += now;
    sizes.push(await taken());
    console.log(`${done} cycles: ${sizes.at(-1).mb.toFixed(1)} MB, ${sizes.at(-1).fds} descriptors`);
  }
  const quarter = (n) => sizes.slice(Math.floor((sizes.length * (n - 1)) / 4), Math.floor((sizes.length * n) / 4));
  const median = (n) => quarter(n).sort((a, b) => a.mb - b.mb)[Math.floor(quarter(n).length / 2)].mb;
  const growth = median(4) / median(3) - 1;
  const left = sizes.at(-1).fds - quarter(3)[0].fds;
  conclude({
    [`${answers.size} answers, where one is right`]: answers.size === 1,
    [`memory grew by ${(100 * growth).toFixed(2)} %`]: growth < 0.01,
    [`${left} descriptors were left`]: left <= 0,
  });
}

async function* inTurn(count) {
  for (let i = 0; i < count; i++) yield await cycle(1);
}

/** The answers of cycles in new worker threads, each of which has its share. */
async function* inWorkers(workers, count) {
  const answers = [];
  const ended = Array.from({ length: workers }, (_, i) => {
    const share = Math.floor(count / workers) + (i < count % workers ? 1 : 0);
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { count: share } });
    worker.on("message", (answer) => answers.push(answer));
    return new Promise((resolve, reject) => worker.on("error", reject).on("exit", resolve));
  });
  await Promise.all(ended);
  yield* answers;
}
