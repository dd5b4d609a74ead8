import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { chatCompletion, error } from "../../src/server/answers-schema.js";
import { folder, foreign, owl3, run } from "../support/cli.js";
import { root } from "../support/files.js";
import { Served } from "../support/serve.js";
import { events } from "../support/server.js";
import { Terminal } from "../support/terminal.js";

const shapes = path.join(root, "examples/shapes.png");
const clip = path.join(root, "examples/moving.mp4");
const dataUrl = (file: string) => `data:application/octet-stream;base64,${readFileSync(file).toString("base64")}`;
const text = (value: string) => ({ type: "text", text: value });
const image = (url: string) => ({ type: "image_url", image_url: { url } });
const ask = (content: unknown, more: object = {}) => ({ messages: [{ role: "user", content }], ...more });
/** A question whose answer is long: at this heat nearly any token may come, and only one of a thousand ends it. */
const long = (seed = 1, more: object = {}) => ask("Go on.", { temperature: 100, max_tokens: 4000, seed, ...more });

const common = await Served.start(["--media-root", path.join(root, "examples")]);

async function answer(body: object, served = common) {
  const response = await served.post("/v1/chat/completions", body);
  if (response.status !== 200) throw new Error(await response.text());
  return chatCompletion.parse(await response.json());
}

test("answers are those of the command line, token for token, alone and many at the same time", async () => {
  const question = "What is in this picture?";
  const cases = [
    { args: ["chat", shapes, "-p", question], body: ask([image(dataUrl(shapes)), text(question)]) },
    {
      args: ["chat", shapes, "-p", question, "--no-cut"],
      body: ask([image(dataUrl(shapes)), text(question)], { cut: false }),
    },
    {
      args: [
        "chat",
        ...["before", "after"].map((name) => path.join(root, `examples/${name}.png`)),
        "-p",
        "Which picture shows a red square?",
        "--no-cut",
      ],
      body: ask([
        ...["before", "after"].map((name) => image(dataUrl(path.join(root, `examples/${name}.png`)))),
        text("Which picture shows a red square?"),
      ]),
    },
    {
      args: ["video", clip, "-p", "What happens?", "--fps", "2"],
      body: ask([{ type: "video_url", video_url: { url: dataUrl(clip) } }, text("What happens?")], { fps: 2 }),
    },
    {
      args: ["chat", "-p", "Go on.", "--temp", "5", "--seed", "3", "--top-k", "40", "--max-tokens", "60"],
      body: ask("Go on.", { temperature: 5, seed: 3, top_k: 40, max_tokens: 60 }),
    },
  ];
  const expected = cases.map(({ args }) => {
    const { code, out, err } = run([...args, "--json", "--logprobs", "2"], { env: { ...process.env, OWL3_MODEL: "" } });
    expect(code, err).toBe(0);
    const { text: told, tokens } = JSON.parse(out);
    return { told, tokens: tokens.map((token: { text: string; logprob: number }) => [token.text, token.logprob]) };
  });
  const check = async (i: number) => {
    const { choices } = await answer({ ...cases[i]?.body, logprobs: true, top_logprobs: 2 });
    expect(choices[0]?.message.content).toBe(expected[i]?.told);
    expect(choices[0]?.logprobs?.content.map(({ token, logprob }) => [token, logprob])).toEqual(expected[i]?.tokens);
  };
  for (const i of cases.keys()) await check(i);
  await Promise.all([...cases.keys(), ...cases.keys()].map(check));
});

test("a stream has the same text as the whole; several answers have the seeds after one another", async () => {
  const body = ask("Go on.", { temperature: 5, seed: 3, max_tokens: 30 });
  const whole = await answer({ ...body, n: 3 });
  expect(new Set(whole.choices.map(({ message }) => message.content)).size).toBe(3);
  for (const [i, choice] of whole.choices.entries())
    expect((await answer({ ...body, seed: 3 + i })).choices[0]?.message.content).toBe(choice.message.content);
  const data = await events(await common.post("/v1/chat/completions", { ...body, stream: true }));
  const streamed = data.slice(0, -1).map((item) => JSON.parse(item).choices[0].delta.content ?? "");
  expect(streamed.join("")).toBe(whole.choices[0]?.message.content);
  const stopped = await answer({ ...body, stop: [whole.choices[0]?.message.content.slice(20, 24) ?? ""] });
  expect(stopped.choices[0]).toMatchObject({ finish_reason: "stop" });
  expect(stopped.choices[0]?.message.content).toBe(whole.choices[0]?.message.content.slice(0, 20));
});

test("/metrics has the memory of the engine: what answers hold, and what is kept of them within its bounds", async () => {
  await answer(ask([image(dataUrl(shapes)), text("What is in this picture?")], { n: 2 }));
  const metric = (name: string) => common.metric(`owl3:${name}`);
  expect(await metric("kv_cache_pages")).toBeGreaterThan(0);
  expect(await metric("kv_cache_bytes")).toBeGreaterThan(0);
  expect(await metric("kv_cache_usage_perc")).toBeLessThan(1);
  for (const kept of ["kept_prefixes", "unused_crop_embeddings"]) {
    const bytes = await metric(`${kept}_bytes`);
    expect([kept, bytes > 0, bytes <= (await metric(`${kept}_limit_bytes`))]).toEqual([kept, true, true]);
  }
  expect(await metric("kept_prefixes")).toBeLessThanOrEqual(32);
  expect(await metric("engine_resident_memory_bytes")).toBeGreaterThan(2 ** 20);
});

test("frames as a video, files below the media root, and what is wrong with a medium", async () => {
  const frame = image(dataUrl(path.join(root, "examples/before.png"))).image_url;
  const frames = await answer(ask([{ type: "video", video: [frame, frame.url] }, text("What happens?")]));
  expect(frames.usage.crops).toBe(2);
  const url = `file://${shapes}`;
  const [byFile, byData] = [
    await answer(ask([image(url), text("x")])),
    await answer(ask([image(dataUrl(shapes)), text("x")])),
  ];
  expect(byFile.choices).toEqual(byData.choices);
  expect(byData.usage.prompt_tokens_details.cached_tokens).toBe(byData.usage.prompt_tokens - 1);
  const refused = async (content: object) => {
    const response = await common.post("/v1/chat/completions", ask([content, text("x")]));
    return [response.status, error.parse(await response.json()).error.message];
  };
  expect(await refused(image("data:image/png;base64,AAAA"))).toEqual([
    400,
    expect.stringMatching(/^picture 1 is neither a picture/),
  ]);
  expect(await refused(image(dataUrl(clip)))).toEqual([400, "picture 1 is a video, not a picture."]);
  const cut = `data:image/png;base64,${readFileSync(shapes).subarray(0, 900).toString("base64")}`;
  expect(await refused(image(cut))).toEqual([400, "picture 1 can't be decoded: the file is damaged."]);
  expect(await refused({ type: "video_url", video_url: "data:video/mp4;base64,AAAAGGZ0eXA=" })).toEqual([
    400,
    expect.stringMatching(/^video 1/),
  ]);
  expect(await refused({ type: "video", video: [frame, cut] })).toEqual([
    400,
    expect.stringMatching(/^frame 2 can't be decoded/),
  ]);
});

test("no file outside of the media root is opened, whatever its URL looks like", async () => {
  const media = mkdtempSync(path.join(folder, "media-"));
  const outside = path.join(folder, "outside.png");
  writeFileSync(outside, readFileSync(shapes));
  mkdirSync(path.join(media, "deep"));
  symlinkSync(outside, path.join(media, "link.png"));
  symlinkSync(folder, path.join(media, "folder"));
  symlinkSync(shapes, path.join(folder, "media"));
  writeFileSync(path.join(media, "deep/in.png"), readFileSync(shapes));
  const served = await Served.start(["--media-root", media]);
  const status = async (url: string) => {
    const response = await served.post("/v1/chat/completions", ask([image(url), text("x")]));
    return [response.status, response.status === 200 ? "" : error.parse(await response.json()).error.code];
  };
  expect(await status(`file://${media}/deep/in.png`)).toEqual([200, ""]);
  expect(await status(`file://${media}/deep/../deep/in.png`)).toEqual([200, ""]);
  for (const url of [
    ...[
      `file://${outside}`,
      `file://${media}/../outside.png`,
      `file://${media}/%2e%2e/outside.png`,
      `file://${media}/link.png`,
    ],
    ...[
      `file://${media}/folder/outside.png`,
      `file://${media}-other/x.png`,
      `file://${media}`,
      "file:///etc/passwd",
      "file:///proc/self/environ",
    ],
    ...[
      `file://host${media}/deep/in.png`,
      `file://${media}/deep%2fin.png`,
      `file://${media}/none.png`,
      "file:",
      "file://%00",
    ],
  ])
    expect([url, await status(url)]).toEqual([url, [400, "url_not_allowed"]]);
});

test("a client that leaves frees its place within a step", async () => {
  for (const stream of [true, false]) {
    const leave = new AbortController();
    const response = common.post("/v1/chat/completions", long(2, { stream }), { signal: leave.signal });
    if (stream) await (await response).body?.getReader().read();
    else {
      response.catch(() => {});
      await common.until(async () => (await common.metric("owl3:num_requests_running")) === 1);
    }
    leave.abort();
    await common.until(async () => (await common.metric("owl3:num_requests_running")) === 0, 1000);
  }
});

test("kill -9 of the engine in the middle: an error event, a start, and the next answer; at the third the server gives up", async () => {
  const served = await Served.start(["--parallel", "2"]);
  const engine = served.enginePid;
  const first = await served.post("/v1/chat/completions", long(1, { stream: true }));
  const reader = first.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  await reader.read();
  const second = served.post("/v1/chat/completions", long(2));
  const waiting = served.post("/v1/chat/completions", ask("What is it?"));
  await served.until(async () => (await served.metric("owl3:num_requests_waiting")) === 1);
  process.kill(engine, "SIGKILL");
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    rest += Buffer.from(part.value).toString();
  expect(rest).toMatch(/"code":"engine_crashed"\}\}\n\ndata: \[DONE\]\n\n$/);
  expect(rest).not.toContain('"finish_reason":"');
  const failed = await second;
  expect([failed.status, error.parse(await failed.json()).error.code]).toEqual([500, "engine_crashed"]);
  expect((await waiting).status).toBe(200);
  expect(served.enginePid).not.toBe(engine);
  expect(await served.metric("owl3:engine_restarts_total")).toBe(1);
  process.kill(served.enginePid, "SIGKILL");
  await served.until(
    async () =>
      (await served.metric("owl3:engine_restarts_total")) === 2 && (await served.metric("owl3:engine_up")) === 1,
  );
  process.kill(served.enginePid, "SIGKILL");
  expect(await served.exit).toBe(1);
  expect(served.log).toContain("owl3: the engine crashed");
});

test("SIGTERM lets running answers end, takes no others, and leaves nothing behind", async () => {
  const tmp = mkdtempSync(path.join(folder, "tmp-"));
  const served = await Served.start(["--drain", "20"], { TMPDIR: tmp });
  expect(readdirSync(tmp)).toHaveLength(1);
  const running = served.post("/v1/chat/completions", long(3, { max_tokens: 300 }));
  await served.until(async () => (await served.metric("owl3:num_requests_running")) === 1);
  served.kill("SIGTERM");
  await served.until(() => served.log.includes("ending"));
  const late = await served.post("/v1/chat/completions", ask("x")).then(
    (response) => response.status,
    () => 0, // it does not listen any more
  );
  expect([0, 503]).toContain(late);
  expect(chatCompletion.parse(await (await running).json()).usage.completion_tokens).toBe(300);
  expect(await served.exit).toBe(0);
  expect(readdirSync(tmp)).toEqual([]);
});

test("a server that is killed takes its engine and the engine's files along", async () => {
  const tmp = mkdtempSync(path.join(folder, "tmp-"));
  const served = await Served.start([], { TMPDIR: tmp });
  const engine = served.enginePid;
  const busy = served.post("/v1/chat/completions", long(4)).catch(() => {});
  await served.until(async () => (await served.metric("owl3:num_requests_running")) === 1);
  served.kill("SIGKILL");
  await served.until(() => !existsSync(`/proc/${engine}/exe`), 5000);
  expect(readdirSync(tmp)).toEqual([]);
  await busy;
});

test("the context and the tokens of an answer are bounded", async () => {
  const served = await Served.start(["--ctx", "64", "--max-tokens", "20"]);
  const whole = await answer(long(1, { max_tokens: 4000 }), served);
  expect(whole.usage.completion_tokens).toBe(20);
  const response = await served.post("/v1/chat/completions", ask("word ".repeat(100)));
  expect([response.status, error.parse(await response.json()).error.code]).toEqual([400, "context_length_exceeded"]);
});

test("wrong options and models: one sentence and the documented code", async () => {
  const env = { ...process.env, OWL3_MODEL: "", OWL3_API_KEY: "" };
  const keys = path.join(folder, "keys");
  writeFileSync(keys, "# nothing\n\n");
  for (const [args, code, message] of [
    [["--host", "0.0.0.0"], 2, /needs a key/],
    [["--port", "70000"], 2, /from 0 to 65535/],
    [["--cors", "example.org/x"], 2, /no origin/],
    [["--api-key-file", keys], 2, /holds no key/],
    [["--api-key-file", path.join(folder, "none")], 3, /can't be read/],
    [["--media-root", shapes], 3, /not a folder/],
    [["-m", path.join(folder, "none.gguf")], 3, /no file/],
    [["-m", foreign], 4, /./],
    [["--host", "192.0.2.1", "--api-key-file", path.join(folder, "key")], 1, /no such address/],
    [["--ctx", "100000"], 2, /context/],
  ] as const) {
    writeFileSync(path.join(folder, "key"), "secret\n");
    const { code: actual, err } = run(["serve", "--port", "0", ...args], { env });
    const [last = ""] = err.trimEnd().split("\n").slice(-1);
    expect([args, actual]).toEqual([args, code]);
    expect(last).toMatch(/^owl3: /);
    expect(last).toMatch(message);
  }
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as { port: number };
  const { code, err } = run(["serve", "--port", String(port)], { env });
  taken.close();
  expect([code, err]).toEqual([1, expect.stringContaining("another program uses it already")]);
});

test("owl3 chat --server: the same answers, streamed or as JSON, and what is wrong is said", () => {
  const env = { ...process.env, OWL3_MODEL: "" };
  const local = run(["chat", shapes, "-p", "What is in this picture?", "--stop", "ring"], { env });
  const args = ["chat", shapes, "-p", "What is in this picture?", "--stop", "ring", "--server", common.url];
  expect(run(args, { env })).toMatchObject({ code: 0, out: local.out, err: "" });
  expect(JSON.parse(run([...args, "--json"], { env }).out)).toMatchObject({
    model: "owl3-demo",
    text: local.out.slice(0, -1),
    finish_reason: "stop",
    usage: { crops: 7 },
  });
  const moving = run(["video", clip, "-q", "--fps", "2", "--server", common.url], { env });
  expect(moving.out).toBe(run(["video", clip, "-q", "--fps", "2"], { env }).out);
  for (const [more, code, message] of [
    [["--session", "x"], 2, /--session can't be had from a server/],
    [["--beams", "2"], 2, /--beams can't be had from a server/],
    [["--server", "nonsense"], 2, /no address of a server/],
    [["--server", "http://127.0.0.1:1"], 1, /can't be reached/],
    [["--temp", "3", "--top-p", "0.5", "--server", `${common.url}/nowhere`], 1, /there is no such route/],
  ] as const) {
    const done = run([...args, ...more], { env });
    expect([more, done.code, done.out]).toEqual([more, code, ""]);
    expect(done.err).toMatch(message);
  }
});

test("a conversation with a server, on a terminal", async () => {
  const terminal = new Terminal(["chat", shapes, "--server", common.url], { OWL3_MODEL: "", HOME: folder });
  await terminal.until(/>>> /);
  terminal.type("What is in this picture?\r");
  await terminal.until(/bottom right\./);
  await terminal.until(/>>> /);
  terminal.type("What color is the star?\r");
  await terminal.until(/[Bb]lue/);
  await terminal.until(/>>> /);
  terminal.type("\u0004");
  expect(await terminal.exit).toBe(0);
});

test("the help names every option", () => {
  const { out } = owl3("serve", "--help");
  expect(out.trimEnd().split("\n").length).toBeLessThanOrEqual(24);
  expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThan(80);
});
