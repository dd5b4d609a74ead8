#!/usr/bin/env node
/**
 * Loads `owl3 serve` with clients of all kinds: node tools/stress/serve.mjs [--minutes 10] [--clients 32] [--parallel 4] [--kill]. Build first (npm run build).
 *
 * Each client asks over and over at random: pictures, clips, several answers, scores, whole or as a stream, leaves in the middle, or sends garbage. Every whole
 * answer must be the one that the library gives, memory must not grow, no descriptor may be left, and the server must be well at the end. --kill
 * kills the engine now and then. The last line is "N passed, N failed".
 */
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Agent, fetch } from "undici";
import { example, program } from "./places.mjs";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "32" },
    parallel: { type: "string", default: "4" },
    kill: { type: "boolean", default: false },
  },
});
const dataUrl = (name) => `data:application/octet-stream;base64,${readFileSync(example(name)).toString("base64")}`;
const image = (name) => ({ type: "image_url", image_url: { url: dataUrl(name) } });
const text = (value) => ({ type: "text", text: value });
const ask = (content, more = {}) => ({ messages: [{ role: "user", content }], ...more });

const questions = [
  ask([image("shapes.png"), text("What is in this picture?")]),
  ask([image("shapes.png"), text("What color is the star?")], { cut: false }),
  ask([image("before.png"), image("after.png"), text("Which picture shows a red square?")]),
  ask([image("six.png"), text("How many shapes are there?")]),
  ask([{ type: "video_url", video_url: { url: dataUrl("moving.mp4") } }, text("What happens?")]),
  ask([{ type: "video_url", video_url: { url: dataUrl("appears.mp4") } }, text("What happens?")], {
    fps: 4,
    frames: 32,
  }),
  ask("Go on.", { temperature: 3, seed: 5, max_tokens: 80 }),
  ask("What is it?", { temperature: 2, seed: 9, top_k: 40, max_tokens: 60, logprobs: true, top_logprobs: 2 }),
];
const garbage = [
  ["/v1/chat/completions", "{"],
  ["/v1/chat/completions", JSON.stringify(ask([{ type: "image_url", image_url: "data:image/png;base64,AAAA" }]))],
  [
    "/v1/chat/completions",
    JSON.stringify(ask([{ type: "video_url", video_url: "data:video/mp4;base64,AAAAGGZ0eXBpc29t" }])),
  ],
  ["/v1/chat/completions", JSON.stringify(ask([{ type: "image_url", image_url: "file:///etc/passwd" }]))],
  ["/v1/chat/completions", "[".repeat(10_000)],
  ["/v1/responses", JSON.stringify({ input: 5 })],
  ["/api/chat", JSON.stringify({ messages: "x" })],
  ["/nowhere", "x".repeat(100_000)],
];

const server = spawn(
  process.execPath,
  [program, "serve", "--port", "0", "--parallel", flags.parallel, "--queue", "200", "-q"],
  { env: { ...process.env, OWL3_MODEL: "" }, stdio: ["ignore", "ignore", "pipe"] },
);
let log = "";
server.stderr.setEncoding("utf8").on("data", (part) => {
  log += part;
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
while (!/answers at (\S+);/.test(log)) await sleep(50);
const url = /answers at (\S+);/.exec(log)[1];
let connections = new Agent();
const post = (where, body, init = {}) => fetch(url + where, { method: "POST", body, dispatcher: connections, ...init });
const answer = async (body) => {
  const response = await post("/v1/chat/completions", JSON.stringify(body));
  return { status: response.status, body: await response.json() };
};

const failures = [];
const counts = { whole: 0, streams: 0, left: 0, garbage: 0, scores: 0, killed: 0, crashed: 0 };
const fail = (what) => failures.push(what);
const check = (got, expected, what) => {
  if (JSON.stringify(got) !== JSON.stringify(expected))
    fail(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
};
// The answers that each question gets when it is alone.
const expected = [];
for (const question of questions) expected.push((await answer(question)).body.choices);
const scoring = JSON.stringify({
  ...ask([image("shapes.png"), text("What color is the star?")]),
  choices: ["Blue.", "Red."],
});
const scores = (await (await post("/v1/score", scoring)).json()).choices;

const random = (n) => Math.floor(Math.random() * n);
/** Statuses of a server whose engine was killed. */
const excused = (status, body) =>
  flags.kill && [500, 503].includes(status) && /engine_crashed|loading/.test(JSON.stringify(body));

async function whole(i) {
  const { status, body } = await answer(questions[i]);
  if (excused(status, body)) counts.crashed++;
  else if (status !== 200) fail(`question ${i}: ${status} ${JSON.stringify(body)}`);
  else {
    check(body.choices, expected[i], `question ${i}`);
    counts.whole++;
  }
}

async function streamed(i, leave) {
  const response = await post("/v1/chat/completions", JSON.stringify({ ...questions[i], stream: true }));
  if (response.status !== 200) {
    const body = await response.json();
    if (excused(response.status, body)) counts.crashed++;
    else fail(`stream ${i}: ${response.status} ${JSON.stringify(body)}`);
    return;
  }
  let told = "";
  for await (const part of response.body) {
    told += Buffer.from(part).toString("utf8");
    if (leave && told.length > 300) break; // ends the connection
  }
  if (leave) {
    counts.left++;
    return;
  }
  const events = told
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)));
  if (events.some(({ error }) => error)) {
    if (excused(500, events)) counts.crashed++;
    else fail(`stream ${i}: ${told.slice(-300)}`);
    return;
  }
  check(
    events.map(({ choices }) => choices[0].delta.content ?? "").join(""),
    expected[i][0].message.content,
    `stream ${i}`,
  );
  counts.streams++;
}

async function scored() {
  const response = await post("/v1/score", scoring);
  const body = await response.json();
  if (excused(response.status, body)) counts.crashed++;
  else {
    check(body.choices, scores, "score");
    counts.scores++;
  }
}

async function wrong() {
  const [where, body] = garbage[random(garbage.length)];
  const response = await post(where, body);
  const told = await response.json();
  if (excused(response.status, told)) counts.crashed++;
  else if (![400, 404].includes(response.status))
    fail(`garbage at ${where}: ${response.status} ${JSON.stringify(told)}`);
  counts.garbage++;
}

async function leaveEarly(i) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), random(60));
  await post("/v1/chat/completions", JSON.stringify(questions[i]), { signal: controller.signal }).then(
    (response) => response.body.cancel(),
    () => {},
  );
  counts.left++;
}

const enginePid = () => {
  const children = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(server.pid)], { encoding: "utf8" });
  return Number.parseInt(children.split("\n").find((line) => line.includes("worker/child.js")) ?? "", 10);
};
function measure() {
  const of = (pid) => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      mb: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024),
      fds: readdirSync(`/proc/${pid}/fd`).length,
    };
  };
  try {
    return { server: of(server.pid), engine: of(enginePid()) };
  } catch {
    return undefined; // the engine starts again
  }
}

await sleep(500);
const before = measure();
const end = Date.now() + Number(flags.minutes) * 60_000;
const ways = {
  whole,
  "whole too": whole,
  stream: (i) => streamed(i, false),
  "stream that is left": (i) => streamed(i, true),
  "early leave": leaveEarly,
  score: scored,
  garbage: wrong,
};
/** Seconds in which anything has to be over: a request that gets no answer at all would otherwise never be noticed. */
const patience = 90;
async function client() {
  while (Date.now() < end && failures.length < 10) {
    const i = random(questions.length);
    const [name, way] = Object.entries(ways)[random(7)];
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer came")), patience * 1000);
    });
    try {
      await Promise.race([way(i), late]);
    } catch (error) {
      fail(`${name}, question ${i}: ${error.message} ${error.cause?.message ?? ""}`);
    } finally {
      clearTimeout(timer);
    }
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const samples = [];
const sampling = setInterval(() => {
  const now = measure();
  if (!now) return;
  samples.push(now);
  console.log(
    `server ${now.server.mb} MB ${now.server.fds} files, engine ${now.engine.mb} MB ${now.engine.fds} files, ${JSON.stringify(counts)}`,
  );
}, 10_000);
const killing = flags.kill
  ? setInterval(() => {
      const pid = enginePid();
      if (!pid) return; // it starts again
      process.kill(pid, "SIGKILL");
      counts.killed++;
    }, 40_000)
  : undefined;
await Promise.all(Array.from({ length: Number(flags.clients) }, client));
clearInterval(sampling);
clearInterval(killing);
// The clients' connections would stay open for the next request; what the server has open without them was left.
await connections.destroy();
connections = new Agent();
await sleep(3000);

const after = measure();
let passed = 0;
const conclude = (holds, what) => {
  if (holds) passed++;
  else fail(what);
};
conclude((await fetch(`${url}/health`)).status === 200, "the server is not well");
for (const [i, question] of questions.entries())
  check((await answer(question)).body.choices, expected[i], `question ${i} at the end`);
const metrics = await (await fetch(`${url}/metrics`)).text();
for (const name of ["running", "waiting"])
  conclude(metrics.includes(`owl3:num_requests_${name} 0\n`), `requests are still ${name}`);
for (const who of ["server", "engine"]) {
  conclude(after[who].fds <= before[who].fds + 4, `${who}: ${after[who].fds} files, before ${before[who].fds}`);
  const half = samples.slice(Math.floor(samples.length / 2)).map((sample) => sample[who].mb);
  const start = samples
    .slice(Math.floor(samples.length / 4), Math.floor(samples.length / 2))
    .map((sample) => sample[who].mb);
  const [early, late] = [median(start), median(half)];
  if (samples.length >= 12) conclude(late <= early * 1.15 + 20, `${who}: memory grew from ${early} to ${late} MB`);
}
server.kill("SIGTERM");
conclude((await new Promise((resolve) => server.once("exit", resolve))) === 0, "the server did not end well");
console.log(JSON.stringify({ before, after, counts }));
for (const what of failures.slice(0, 10)) console.log(`FAIL ${what}`);
console.log(`${passed + counts.whole + counts.streams + counts.scores} passed, ${failures.length} failed`);
process.exit(failures.length > 0 ? 1 : 0);
