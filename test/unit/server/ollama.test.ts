import { expect, test } from "vitest";
import {
  ollamaChat,
  ollamaError,
  ollamaGenerate,
  ollamaModels,
  ollamaShow,
} from "../../../src/server/answers-schema.js";
import { EngineError } from "../../../src/worker/fault.js";
import { fakeServer } from "../../support/server.js";

const images = [Buffer.from("a").toString("base64")];
const chat = { model: "owl:latest", messages: [{ role: "user", content: "one two", images }] };
const lines = async (answer: Response) =>
  (await answer.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("chat streams unless told otherwise; the last line counts tokens and nanoseconds", async () => {
  const { post, engine } = fakeServer();
  const answer = await post("/api/chat", { ...chat, tools: [], keep_alive: "5m", format: "" });
  expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
  const all = await lines(answer);
  expect(all.map(({ message, done }) => [message.content, done])).toEqual([
    ["one ", false],
    ["two ", false],
    ["", true],
  ]);
  expect(all.at(-1)).toMatchObject({ done_reason: "stop", prompt_eval_count: 10, eval_count: 2, eval_duration: 4e6 });
  expect(engine.requests[0]?.messages[0]?.content).toEqual([
    { type: "image", data: Buffer.from("a"), name: "picture 1" },
    { type: "text", text: "\n" },
    { type: "text", text: "one two" },
  ]);
  const whole = await post("/api/chat", { ...chat, stream: false });
  expect(ollamaChat.parse(await whole.json()).message.content).toBe("one two ");
});

test("options reach the engine; without a number of tokens there is a usual one, and -1 is the most", async () => {
  const { post, engine } = fakeServer();
  const options = {
    temperature: 0.5,
    top_k: 3,
    top_p: 0.5,
    min_p: 0.1,
    repeat_penalty: 1.2,
    seed: 3,
    stop: "x",
    num_predict: 5,
  };
  await post("/api/chat", { ...chat, options: { ...options, num_ctx: 4096, mirostat: 1 } });
  expect(engine.requests[0]).toMatchObject({
    maxTokens: 5,
    stop: ["x"],
    sampling: { temperature: 0.5, topK: 3, topP: 0.5, minP: 0.1, repetitionPenalty: 1.2, seed: 3 },
  });
  await post("/api/chat", { ...chat, options: { num_predict: -1 } });
  await post("/api/chat", chat);
  expect(engine.requests.slice(1).map(({ maxTokens }) => maxTokens)).toEqual([100, 100]);
});

test("the form of an answer: JSON, or a schema", async () => {
  const { post, engine } = fakeServer();
  for (const format of ["json", { type: "object" }, ""]) await post("/api/chat", { ...chat, format });
  expect(engine.requests.map(({ format }) => format)).toEqual([
    { jsonObject: true },
    { schema: { type: "object" }, lax: true },
    undefined,
  ]);
});

test("generate: a prompt with a system text; without a prompt it says that the model is there", async () => {
  const { post, engine } = fakeServer();
  const answer = await post("/api/generate", { model: "owl", prompt: "one", system: "brief", images, stream: false });
  expect(ollamaGenerate.parse(await answer.json()).response).toBe("one ");
  expect(engine.requests[0]?.messages.map(({ role }) => role)).toEqual(["system", "user"]);
  expect(await (await post("/api/generate", { model: "owl" })).json()).toMatchObject({
    done: true,
    done_reason: "load",
  });
  expect(engine.requests).toHaveLength(1);
});

test("what is known about the model", async () => {
  const { get, post } = fakeServer();
  for (const path of ["/api/tags", "/api/ps"])
    expect(ollamaModels.parse(await (await get(path)).json()).models[0]).toMatchObject({ name: "owl", size: 1000 });
  expect(await (await get("/api/version")).json()).toHaveProperty("version");
  for (const body of [{ model: "owl" }, { name: "owl" }])
    expect(ollamaShow.parse(await (await post("/api/show", body)).json()).capabilities).toEqual([
      "completion",
      "vision",
    ]);
});

test("errors are Ollama's, also in the middle of a stream", async () => {
  const { post, engine } = fakeServer();
  for (const [body, status] of [
    [{ ...chat, model: "other" }, 404],
    [{ ...chat, tools: [{}] }, 400],
    [{ ...chat, format: "xml" }, 400],
    [{ messages: [{ role: "assistant", content: "", images }] }, 400],
    [{ messages: [] }, 400],
  ] as const) {
    const answer = await post("/api/chat", body);
    expect(answer.status).toBe(status);
    ollamaError.parse(await answer.json());
  }
  expect((await post("/api/generate", { prompt: "x", raw: true })).status).toBe(400);
  engine.fails = { after: 1, error: new EngineError("crashed", "the engine crashed.") };
  expect((await lines(await post("/api/chat", chat))).at(-1)).toEqual({ error: "the engine crashed." });
});
