#!/usr/bin/env node
/**
 * Measures a server under load: node tools/bench/serve.mjs [--model FILE.gguf] [--clients 1,4,8] [--tokens 64] [--requests 4] [--json]. Build first
 * (npm run build).
 *
 * Each client asks text questions of its own one after another, as streams; tokens a second are those of all clients, against the same questions asked in
 * turn. Then one client asks while another shows a clip of 128 frames: the longest pause between two tokens says what a crop costs it.
 */
import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    clients: { type: "string", default: "1,4,8" },
    tokens: { type: "string", default: "64" },
    requests: { type: "string", default: "4" },
    json: { type: "boolean", default: false },
  },
});
const [tokens, requests] = [flags.tokens, flags.requests].map(Number);
const counts = flags.clients.split(",").map(Number);
const root = fileURLToPath(new URL("../..", import.meta.url));
const server = spawn(
  process.execPath,
  [
    path.join(root, "bin/owl3.js"),
    ...[
      "serve",
      "--port",
      "0",
      "-q",
      "--no-cache",
      "--parallel",
      String(Math.max(...counts, 2)),
      "--max-frames",
      "128",
    ],
    ...(flags.model ? ["-m", flags.model] : []),
  ],
  { env: { ...process.env, ...(flags.model ? {} : { OWL3_MODEL: "" }) }, stdio: ["ignore", "ignore", "pipe"] },
);
let log = "";
server.stderr.setEncoding("utf8").on("data", (part) => {
  log += part;
});
while (!/answers at (\S+);/.test(log)) await new Promise((resolve) => setTimeout(resolve, 50));
const url = /answers at (\S+);/.exec(log)[1];

/** Asks as a stream; gives the milliseconds to the first token, and the pauses between tokens. */
async function ask(content, more) {
  const started = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content }], stream: true, logprobs: true, ...more }),
  });
  if (response.status !== 200) throw new Error(await response.text());
  const pauses = [];
  let first;
  let last;
  let held = "";
  for await (const part of response.body) {
    const now = performance.now();
    const events = (held + Buffer.from(part).toString("utf8")).split("\n\n");
    held = events.pop();
    for (const event of events) {
      if (!event.includes('"content":[{"token"')) continue;
      if (last === undefined) first = now - started;
      else pauses.push(now - last);
      last = now;
    }
  }
  return { first, pauses, drawn: pauses.length + 1 };
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
/** Heat keeps an answer from ending early, so that all are about as long. */
const hot = (seed) => ({ temperature: 100, seed, max_tokens: tokens });
const question = (n) => `Question ${n}: ${"go on and on ".repeat(4)}`;

const results = [];
await ask(question(0), hot(0));
for (const clients of counts) {
  const run = async (together) => {
    const started = performance.now();
    const all = [];
    const client = async (c) => {
      for (let i = 0; i < requests; i++) all.push(await ask(question(1 + c * requests + i), hot(c * requests + i)));
    };
    if (together) await Promise.all(Array.from({ length: clients }, (_, c) => client(c)));
    else for (let c = 0; c < clients; c++) await client(c);
    const rate = (all.reduce((sum, { drawn }) => sum + drawn, 0) / (performance.now() - started)) * 1000;
    return { rate, first: median(all.map(({ first }) => first)) };
  };
  const inTurn = await run(false);
  const together = await run(true);
  results.push({ clients, together, inTurn, ratio: together.rate / inTurn.rate });
  if (!flags.json)
    console.log(
      `${clients} clients: ${together.rate.toFixed(1)} tok/s together, ${inTurn.rate.toFixed(1)} in turn: ${(together.rate / inTurn.rate).toFixed(2)} x; ` +
        `first token after ${together.first.toFixed(0)} ms, in turn ${inTurn.first.toFixed(0)} ms`,
    );
}

const frames = Array.from({ length: 128 }, (_, i) => pixel(i));
const long = { ...hot(7), max_tokens: 2000 };
const alone = await ask("Go on.", long);
const answering = ask("Go on.", long);
const began = performance.now();
await ask(
  [
    { type: "video", video: frames },
    { type: "text", text: "What happens?" },
  ],
  { max_tokens: 1 },
);
const clipMs = performance.now() - began;
const beside = await answering;
const metrics = await (await fetch(`${url}/metrics`)).text();
const value = (name) => Number(new RegExp(`^${name} (\\S+)`, "m").exec(metrics)[1]);
const pause = {
  alone: median(alone.pauses),
  beside: median(beside.pauses),
  longest: Math.max(...beside.pauses),
  clipMs,
};
if (flags.json) console.log(JSON.stringify({ results, pause, vision: value("owl3:vision_seconds_total") }));
else
  console.log(
    `a token every ${pause.alone.toFixed(1)} ms alone, ${pause.beside.toFixed(1)} ms beside 128 frames, the longest pause ${pause.longest.toFixed(1)} ms (alone ${Math.max(...alone.pauses).toFixed(1)} ms); the clip took ${clipMs.toFixed(0)} ms`,
  );
server.kill("SIGTERM");

/** Makes a GIF of one pixel, of another colour for each number, so that every crop is new. */
function pixel(i) {
  const header = Buffer.from("47494638396101000100800000", "hex");
  const colours = Buffer.from([i, 255 - i, (i * 7) % 256, 0, 0, 0]);
  const rest = Buffer.from("2c00000000010001000002024401003b", "hex");
  return `data:image/gif;base64,${Buffer.concat([header, colours, rest]).toString("base64")}`;
}
