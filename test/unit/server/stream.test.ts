import { expect, test } from "vitest";
import { chatCompletion } from "../../../src/server/answers-schema.js";
import { streamed } from "../../../src/server/stream.js";
import { events, fakeServer } from "../../support/server.js";

const never = new Promise<void>(() => {});
const options = {
  contentType: "text/event-stream",
  onError: ({ message }: { message: string }) => `data: ${message}\n\n`,
  ping: ": ping\n\n",
  onEnd: () => {},
  log: () => {},
  leave: () => {},
};
const ask = { messages: [{ role: "user", content: "a b" }], stream: true };

async function firstPart(response: Response): Promise<string> {
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const { value } = await reader.read();
  void reader.cancel();
  return Buffer.from(value ?? []).toString();
}

test("the progress of the vision tower is a comment between the events; the latest comes first, then each", async () => {
  async function* frames() {
    yield ": vision 0/16\n\n";
    yield ": vision 3/16\n\n";
    await never;
  }
  expect(await firstPart(await streamed(frames(), { ...options, headersMs: 20 }))).toBe(": vision 3/16\n\n");
  async function* quick() {
    yield ": vision 1/2\n\n";
    yield ": vision 2/2\n\n";
    yield "data: a\n\n";
    yield ": vision 1/1\n\n";
    yield "data: b\n\n";
  }
  expect(await (await streamed(quick(), options)).text()).toBe(
    ": vision 2/2\n\ndata: a\n\n: vision 1/1\n\ndata: b\n\n",
  );
});

test("what fails after a comment and before the first event still has a status", async () => {
  async function* frames(): AsyncGenerator<string> {
    yield ": vision 0/16\n\n";
    throw new Error("a damaged clip");
  }
  await expect(streamed(frames(), options)).rejects.toThrow("a damaged clip");
});

test("OpenAI's streams tell of vision; whole answers and Ollama's lines do not", async () => {
  const { post, engine } = fakeServer();
  engine.vision = [2, 4];
  engine.go();
  const asked = (path: string, body: object) => {
    const response = post(path, body);
    const timer = setInterval(() => engine.go(), 5);
    return response.finally(() => clearInterval(timer));
  };
  const told = await (await asked("/v1/chat/completions", ask)).text();
  expect(told).toMatch(/^: vision 2\/4\n\ndata: /);
  const responses = await (await asked("/v1/responses", { input: "a b", stream: true })).text();
  expect(responses).toMatch(/^: vision 2\/4\n\nevent: response\.created\n/);
  const whole = await (await asked("/v1/chat/completions", { ...ask, stream: false })).json();
  expect(chatCompletion.parse(whole).choices[0]?.message.content).toBe("a b ");
  const lines = (await (await asked("/api/chat", ask)).text()).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).message.content)).toEqual(["a ", "b ", ""]);
  expect(await events(await asked("/v1/chat/completions", ask))).toContain("[DONE]");
});

test("/metrics has the engine's memory, and the bounds of what is kept", async () => {
  const { get } = fakeServer();
  const text = await (await get("/metrics")).text();
  for (const line of [
    "owl3:kv_cache_usage_perc 0.25",
    "owl3:kv_cache_bytes 300",
    "owl3:kv_cache_pages 3",
    "owl3:kept_prefixes 2",
    "owl3:kept_prefixes_bytes 200",
    "owl3:kept_prefixes_limit_bytes 400",
    "owl3:crop_embeddings_bytes 90",
    "owl3:unused_crop_embeddings_bytes 60",
    "owl3:unused_crop_embeddings_limit_bytes 100",
    "owl3:engine_resident_memory_bytes 5000",
  ])
    expect(text).toContain(`\n${line}\n`);
  expect(text).toMatch(/\nowl3:server_resident_memory_bytes \d{7,}\n/);
});
