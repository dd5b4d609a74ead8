import { expect, test } from "vitest";
import { chatCompletion, error } from "../../../src/server/answers-schema.js";
import { fakeServer } from "../../support/server.js";

const question = (text = "a b c") => ({ messages: [{ role: "user", content: text }] });
const codeOf = async (answer: Response) => [answer.status, error.parse(await answer.json()).error.code];
const tick = () => new Promise((resolve) => setImmediate(resolve));
const until = async (holds: () => boolean) => {
  while (!holds()) await tick();
};

test("as many as the engine takes run, a few more wait, the rest is told to come back", async () => {
  const { post, engine, get } = fakeServer({ parallel: 2, limit: 2 });
  engine.pauseAfter = 1;
  const answers = [1, 2, 3, 4].map((i) => post("/v1/chat/completions", question(`${i} b c`)));
  await until(() => engine.running === 2);
  for (let i = 0; i < 20; i++) await tick();
  expect(engine.running).toBe(2);
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain("owl3:num_requests_running 2");
  expect(metrics).toContain("owl3:num_requests_waiting 2");
  const refused = await post("/v1/chat/completions", question());
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await codeOf(refused)).toEqual([429, "queue_full"]);
  engine.go();
  const texts: string[] = [];
  for (const answer of answers)
    texts.push(chatCompletion.parse(await (await answer).json()).choices[0]?.message.content ?? "");
  expect(texts).toEqual(["1 b c ", "2 b c ", "3 b c ", "4 b c "]);
  expect(engine.maxRunning).toBe(2);
});

test("a request with several answers takes as many places; it goes before those that came after it", async () => {
  const { post, engine } = fakeServer({ parallel: 2, limit: 3 });
  engine.pauseAfter = 1;
  const first = post("/v1/chat/completions", question("first b"));
  await until(() => engine.running === 1);
  const several = post("/v1/chat/completions", { ...question("several b"), n: 3 });
  const last = post("/v1/chat/completions", question("last b"));
  for (let i = 0; i < 20; i++) await tick();
  expect(engine.running).toBe(1);
  engine.go();
  await Promise.all([first, several, last]);
  expect(engine.requests.map(({ n }) => n)).toEqual([1, 3, 1]);
  expect(engine.maxRunning).toBe(1);
});

test("a client that leaves stops its answer, whether it waits, reads a stream or waits for the whole", async () => {
  const { post, engine, dispatcher } = fakeServer({ parallel: 1, limit: 2 });
  engine.pauseAfter = 1;
  for (const stream of [false, true]) {
    const leave = new AbortController();
    const answer = post("/v1/chat/completions", { ...question(), stream }, { signal: leave.signal });
    answer.catch(() => {});
    await until(() => engine.running === 1);
    const waiting = new AbortController();
    const other = post("/v1/chat/completions", question(), { signal: waiting.signal });
    other.catch(() => {});
    for (let i = 0; i < 5; i++) await tick();
    waiting.abort();
    if (stream) {
      const reader = (await answer).body?.getReader();
      await reader?.read();
      await reader?.cancel();
    }
    leave.abort();
    await until(() => engine.running === 0);
  }
  expect([engine.requests.length, engine.stopped]).toEqual([2, 2]);
  expect(dispatcher.status).toBe("ok");
  engine.go();
  expect((await post("/v1/chat/completions", question())).status).toBe(200);
});

test("a slow reader keeps no place: the engine works ahead of it", async () => {
  const { post, engine } = fakeServer({ parallel: 1, limit: 0 });
  const slow = await post("/v1/chat/completions", { ...question(), stream: true });
  await until(() => engine.running === 0);
  expect((await post("/v1/chat/completions", question())).status).toBe(200);
  expect(await slow.text()).toContain("[DONE]");
});

test("who waits or runs too long is told so", async () => {
  const waits = fakeServer({ parallel: 1, limit: 1, timeoutMs: 20 });
  waits.engine.pauseAfter = 0;
  const running = waits.post("/v1/chat/completions", question());
  await until(() => waits.engine.running === 1);
  expect(await codeOf(await waits.post("/v1/chat/completions", question()))).toEqual([503, "queue_timeout"]);
  waits.engine.go();
  expect((await running).status).toBe(200);
  const runs = fakeServer({ requestMs: 20 });
  runs.engine.pauseAfter = 1;
  expect(await codeOf(await runs.post("/v1/chat/completions", question()))).toEqual([504, "timeout"]);
  expect(runs.engine.stopped).toBe(1);
});

test("while the model is loaded requests are refused, and those that wait keep their place", async () => {
  const { post, get, engine } = fakeServer({ parallel: 1 });
  engine.pauseAfter = 1;
  const running = post("/v1/chat/completions", question("first b"));
  await until(() => engine.running === 1);
  const waiting = post("/v1/chat/completions", question("second b"));
  for (let i = 0; i < 5; i++) await tick();
  engine.crash();
  expect(await codeOf(await running)).toEqual([500, "engine_crashed"]);
  const health = await get("/health");
  expect([health.status, await health.json()]).toEqual([503, { status: "loading" }]);
  expect(await codeOf(await post("/v1/chat/completions", question()))).toEqual([503, "loading"]);
  engine.go();
  engine.become("ready");
  expect((await waiting).status).toBe(200);
  expect((await get("/health")).status).toBe(200);
});

test("those that ran when the engine crashed run alone the next time; what crashes it alone is refused", async () => {
  const { post, engine } = fakeServer({ parallel: 2, limit: 4 });
  const crash = async (...texts: string[]) => {
    engine.pauseAfter = 1;
    const answers = texts.map((text) => post("/v1/chat/completions", question(text)));
    await until(() => engine.running === texts.length);
    engine.crash();
    for (const answer of answers) expect(await codeOf(await answer)).toEqual([500, "engine_crashed"]);
    engine.go();
    engine.become("ready");
  };
  await crash("guilty b", "innocent b");
  engine.maxRunning = 0;
  const again = ["innocent b", "other b", "innocent b"].map((text) => post("/v1/chat/completions", question(text)));
  for (const answer of again) expect((await answer).status).toBe(200);
  expect(engine.maxRunning).toBe(1);
  await crash("guilty b");
  expect(await codeOf(await post("/v1/chat/completions", question("guilty b")))).toEqual([400, "request_refused"]);
  engine.maxRunning = 0;
  await Promise.all(["innocent b", "other b"].map((text) => post("/v1/chat/completions", question(text))));
  expect(engine.maxRunning).toBe(2);
});

test("an engine that is not started again: whoever waits or comes is told so", async () => {
  const { post, engine, get } = fakeServer({ parallel: 1 });
  engine.pauseAfter = 0;
  const running = post("/v1/chat/completions", question());
  await until(() => engine.running === 1);
  const waiting = post("/v1/chat/completions", question());
  for (let i = 0; i < 5; i++) await tick();
  engine.crash();
  engine.become("failed");
  expect(await codeOf(await running)).toEqual([500, "engine_crashed"]);
  expect(await codeOf(await waiting)).toEqual([503, "engine_failed"]);
  expect(await codeOf(await post("/v1/chat/completions", question()))).toEqual([503, "engine_failed"]);
  expect((await get("/health")).status).toBe(503);
});

test("draining: who runs or waits is answered, who comes is not; what takes too long is ended with an error", async () => {
  const { post, engine, dispatcher, get } = fakeServer({ parallel: 1 });
  engine.pauseAfter = 1;
  const running = post("/v1/chat/completions", question());
  await until(() => engine.running === 1);
  const waiting = post("/v1/chat/completions", question());
  for (let i = 0; i < 5; i++) await tick();
  const drained = dispatcher.drain(10_000);
  const health = await get("/health");
  expect([health.status, health.headers.get("connection")]).toEqual([503, "close"]);
  expect(await codeOf(await post("/v1/chat/completions", question()))).toEqual([503, "draining"]);
  engine.go();
  await drained;
  expect([(await running).status, (await waiting).status]).toEqual([200, 200]);

  const late = fakeServer();
  late.engine.pauseAfter = 1;
  const stream = await late.post("/v1/chat/completions", { ...question(), stream: true });
  await late.dispatcher.drain(10);
  const told = await stream.text();
  expect(told).toContain('"code":"shutdown"');
  expect(told).not.toContain('"finish_reason":"stop"');
});
