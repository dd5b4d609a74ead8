#!/usr/bin/env node
/**
 * Has ten chats at once on two models of one process: node tools/stress/chats.mjs [--minutes 10] [--chats 10] [--seed N]. Build first (npm run build).
 *
 * Each chat asks one or two questions about pictures, greedily or with a seed, and every third one is stopped at a random moment. What is answered must be what the same
 * questions were answered one after another, to the letter; what is stopped must end as stopped. From a third of the time to its end resident
 * memory may grow by 5 % or 32 MB, and no descriptor may be left. The last line is "N passed, N failed".
 */
import { parseArgs } from "node:util";
import { Owl } from "../../dist/index.js";
import { conclude, taken } from "./checks.mjs";
import { demo, example } from "./places.mjs";
import { generator } from "./random.mjs";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    chats: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
  },
});
const random = generator(Number(flags.seed));
const pick = (list) => list[Math.floor(random() * list.length)];

const image = (name) => ({ type: "image", path: example(name) });
const text = (words) => ({ type: "text", text: words });
const conversations = [
  [[image("shapes.png"), text("What is in this picture?")]],
  [[image("six.png"), text("How many shapes are there?")], [text("Is there a blue star?")]],
  [[image("before.png"), image("after.png"), text("What changed?")]],
  [[image("strip.png"), text("What is in this picture?")], [text("And what else?")]],
  [[text("Hello?")]],
];
const options = [{ temperature: 0 }, { temperature: 1.2, seed: 7 }, { temperature: 0, beams: 3 }];
const scripts = conversations.flatMap((turns) => options.map((how) => ({ turns, how })));

const open = () => Owl.open(demo, { threads: 2, cache: false });
const owls = [await open(), await open()];
const expected = new Map();
for (const script of scripts) expected.set(script, await answers(owls[0], script));
const until = performance.now() + Number(flags.minutes) * 60_000;
const counts = { answered: 0, stopped: 0, failed: 0 };
const sizes = [];
const sampling = setInterval(measure, Number(flags.minutes) * 3_000); // twenty times
await Promise.all(Array.from({ length: Number(flags.chats) }, (_, i) => chat(owls[i % owls.length], i)));
clearInterval(sampling);
await measure();
const [first, last] = [sizes[Math.floor(sizes.length / 3)], sizes.at(-1)];
await Promise.all(owls.map((owl) => owl.dispose()));
const growth = last.mb / first.mb - 1;
console.log(`${counts.answered} conversations answered, ${counts.stopped} stopped; seed ${flags.seed}`);
console.log(`${first.mb.toFixed(1)} MB after a third of the time, ${last.mb.toFixed(1)} MB at the end`);
conclude({
  [`${counts.failed} answers were others`]: counts.failed === 0,
  [`memory grew by ${(100 * growth).toFixed(2)} %`]: growth < 0.05 || last.mb - first.mb < 32,
  [`${last.fds - first.fds} descriptors were left`]: last.fds <= first.fds,
  [`${counts.answered} were answered and ${counts.stopped} stopped`]: counts.answered > 0 && counts.stopped > 0,
});

/** Memory and descriptors; pipes of sharp's threads and files of the pictures being read may be open in between. */
async function measure() {
  sizes.push(await taken());
}

async function answers(owl, { turns, how }, signal) {
  const chat = owl.chat({ cut: false });
  try {
    const said = [];
    for (const turn of turns) said.push(await chat.ask(turn, { maxTokens: 12, ...how, signal }).text());
    return said.join(" | ");
  } finally {
    await chat.dispose();
  }
}

async function chat(owl, number) {
  for (let i = number; performance.now() < until; i++) {
    const script = pick(scripts);
    const stop = new AbortController();
    const timer = i % 3 === 0 ? setTimeout(() => stop.abort(), random() * 300) : undefined;
    try {
      const said = await answers(owl, script, stop.signal);
      if (said === expected.get(script)) counts.answered++;
      else {
        counts.failed++;
        console.log(`another answer: ${said}, where ${expected.get(script)} is right`);
      }
    } catch (error) {
      if (stop.signal.aborted && error === stop.signal.reason) counts.stopped++;
      else {
        counts.failed++;
        console.log(`${error.stack}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
