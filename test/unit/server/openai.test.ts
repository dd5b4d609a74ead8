import { expect, test } from "vitest";
import { chatCompletion, error, models, response, score } from "../../../src/server/answers-schema.js";
import { EngineError } from "../../../src/worker/fault.js";
import { events, fakeServer } from "../../support/server.js";

const ask = (content: unknown, more: object = {}) => ({ messages: [{ role: "user", content }], ...more });
const picture = (bytes: string, detail?: string) => ({
  type: "image_url",
  image_url: { url: `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`, ...(detail && { detail }) },
});
const text = (value: string) => ({ type: "text", text: value });

test("a completion: text, usage, why it ended, and a name for the request", async () => {
  const { post } = fakeServer();
  const answer = await post("/v1/chat/completions", ask("one two three"));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{32}$/);
  const body = chatCompletion.parse(await answer.json());
  expect(body.choices).toEqual([
    {
      index: 0,
      message: { role: "assistant", content: "one two three ", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    },
  ]);
  expect(body.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 });
  expect(body.usage.prompt_tokens_details).toEqual({ cached_tokens: 3 });
  const { body: cut } = await completion(post, ask("one two three", { max_tokens: 2 }));
  expect(cut.choices[0]?.finish_reason).toBe("length");
});

async function completion(post: ReturnType<typeof fakeServer>["post"], body: unknown) {
  const answer = await post("/v1/chat/completions", body);
  return { status: answer.status, body: chatCompletion.parse(await answer.json()) };
}

test("all options reach the engine; null counts as absent, and unknown members are ignored", async () => {
  const { post, engine } = fakeServer();
  const options = {
    ...{ temperature: 0.5, top_p: 0.9, top_k: 5, min_p: 0.1, repetition_penalty: 1.1, seed: 7, n: 3 },
    ...{ presence_penalty: 0.2, frequency_penalty: -0.2, stop: ["a", ""], max_completion_tokens: 9, max_tokens: 3 },
    ...{ logprobs: true, top_logprobs: 2, cut: true, fps: 2, frames: 4, start: 1, end: 3 },
    ...{ user: "me", store: false, metadata: {}, tools: [], tool_choice: "auto", chat_template_kwargs: { a: 1 } },
    ...{ logit_bias: null, functions: null, response_format: { type: "text" }, model: "gpt-4o" },
  };
  expect((await completion(post, ask("x", options))).body.choices).toHaveLength(3);
  const { messages: _, ...request } = engine.requests[0] as (typeof engine.requests)[0];
  expect(request).toEqual({
    n: 3,
    cut: true,
    video: { fps: 2, maxFrames: 4, start: 1, end: 3 },
    sampling: {
      ...{ temperature: 0.5, topP: 0.9, topK: 5, minP: 0.1, repetitionPenalty: 1.1, seed: 7 },
      ...{ presencePenalty: 0.2, frequencyPenalty: -0.2, logprobs: 2 },
    },
    maxTokens: 9,
    stop: ["a"],
  });
  const nothing = { temperature: null, top_p: null, seed: null, n: null, stop: null, max_tokens: null, frames: null };
  await completion(post, ask("x", nothing));
  expect(engine.requests[1]).toMatchObject({ n: 1, sampling: {}, maxTokens: 100, stop: [], video: { maxFrames: 16 } });
  await completion(post, ask("x", { seed: -1, stop: "end", media_io_kwargs: { video: { num_frames: 8, fps: 3 } } }));
  expect(engine.requests[2]).toMatchObject({
    sampling: { seed: 0xffffffff },
    stop: ["end"],
    video: { maxFrames: 8, fps: 3 },
  });
  await completion(post, ask("x", { frames: [3, 5], media_io_kwargs: { video: { num_frames: -1 } } }));
  expect(engine.requests[3]?.video).toEqual({ frames: [3, 5] });
});

test("turns: developers are the system, texts of parts are joined, a picture is followed by a line break", async () => {
  const { post, engine } = fakeServer();
  const messages = [
    { role: "system", content: "be brief" },
    { content: [text("and "), text("kind")], role: "developer" },
    { role: "user", content: [picture("a"), picture("b", "high"), text("what?"), text(" why?")], name: "me" },
    { role: "assistant", content: null, tool_calls: [] },
    { role: "user", content: [text("and this: "), picture("c"), text(" ok")] },
  ];
  await completion(post, { messages });
  const data = (bytes: string, n: number) => ({ type: "image", data: Buffer.from(bytes), name: `picture ${n}` });
  expect(engine.requests[0]?.messages).toEqual([
    { role: "system", content: "be brief\n\nand kind" },
    { role: "user", content: [data("a", 1), text("\n"), data("b", 2), text("\n"), text("what?"), text(" why?")] },
    { role: "assistant", content: "" },
    { role: "user", content: [text("and this: "), data("c", 3), text(" ok")] },
  ]);
  expect(engine.requests[0]).not.toHaveProperty("cut");
  await completion(post, ask([picture("a", "low"), text("x")]));
  expect(engine.requests[1]?.messages[0]?.content[0]).toMatchObject({ name: "picture 1", cut: false });
  await completion(post, ask([picture("a", "low"), text("x")], { cut: true }));
  expect(engine.requests[2]).toMatchObject({ cut: true });
  expect(engine.requests[2]?.messages[0]?.content[0]).not.toHaveProperty("cut");
});

test("pictures that come after all of the text are shown before it, as the model was trained", async () => {
  const { post, engine } = fakeServer();
  const data = { type: "image", data: Buffer.from("a"), name: "picture 1" };
  await completion(post, ask([text("what"), text(" is it?"), picture("a")]));
  expect(engine.requests[0]?.messages[0]?.content).toEqual([data, text("\n"), text("what"), text(" is it?")]);
  await completion(post, ask([text("this "), picture("a"), text(" is")]));
  expect(engine.requests[1]?.messages[0]?.content).toEqual([text("this "), data, text(" is")]);
});

test("the form of an answer: JSON, or a schema, strict or not", async () => {
  const { post, engine } = fakeServer();
  const schema = { type: "object", properties: { a: { type: "integer" } } };
  const named = { name: "thing", schema };
  await completion(post, ask("x", { response_format: { type: "json_object" } }));
  await completion(
    post,
    ask("x", { response_format: { type: "json_schema", json_schema: { ...named, strict: true } } }),
  );
  await completion(post, ask("x", { response_format: { type: "json_schema", json_schema: named } }));
  await post("/v1/responses", { input: "x", text: { format: { type: "json_schema", ...named } } });
  expect(engine.requests.map(({ format }) => format)).toEqual([
    { jsonObject: true },
    { schema },
    { schema, lax: true },
    { schema, lax: true },
  ]);
});

test("videos: a clip by its URL, or a list of frames", async () => {
  const { post, engine } = fakeServer();
  const { url } = picture("f").image_url;
  const clip = { type: "video_url", video_url: { url: "data:video/mp4;base64,AAAA" } };
  await completion(post, ask([clip, { type: "video", video: [url, { url }] }, text("x")]));
  expect(engine.requests[0]?.messages[0]?.content).toEqual([
    { type: "video", data: Buffer.from([0, 0, 0]), name: "video 1" },
    text("\n"),
    { type: "video", frames: [Buffer.from("f"), Buffer.from("f")] },
    text("\n"),
    text("x"),
  ]);
});

test("log-probabilities: tokens with their bytes, and a number where the logarithm has none", async () => {
  const { post } = fakeServer();
  const { body } = await completion(post, ask("é b", { logprobs: true }));
  expect(body.choices[0]?.logprobs?.content).toEqual([
    { token: "é ", logprob: -9999, bytes: [195, 169, 32], top_logprobs: [] },
    { token: "b ", logprob: -1, bytes: [98, 32], top_logprobs: [] },
  ]);
});

test("a stream: the role first, then text, then the reason, then usage if asked for, then [DONE]", async () => {
  const { post } = fakeServer();
  const plain = await post("/v1/chat/completions", ask("a b", { stream: true }));
  expect(plain.headers.get("content-type")).toContain("text/event-stream");
  const data = await events(plain);
  expect(data.at(-1)).toBe("[DONE]");
  const chunks = data.slice(0, -1).map((item) => JSON.parse(item));
  expect(chunks.map(({ choices }) => choices[0].delta)).toEqual([
    { role: "assistant", content: "" },
    { content: "a " },
    { content: "b " },
    {},
  ]);
  expect(chunks.map(({ choices }) => choices[0].finish_reason)).toEqual([null, null, null, "stop"]);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(chunks.every((chunk) => !("usage" in chunk) && chunk.choices.length === 1)).toBe(true);
  const asked = ask("a b", { stream: true, n: 2, stream_options: { include_usage: true } });
  const counted = (await events(await post("/v1/chat/completions", asked)))
    .slice(0, -1)
    .map((item) => JSON.parse(item));
  expect(counted.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  expect(counted.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 4 } });
  expect(counted.filter(({ choices }) => choices[0]?.index === 1)).toHaveLength(4);
});

test("a stream that fails ends with an error event, never as a whole answer; one that fails at once has a status", async () => {
  const { post, engine, lines } = fakeServer();
  engine.fails = { after: 1, error: new EngineError("crashed", "the engine crashed.") };
  const data = await events(await post("/v1/chat/completions", ask("a b", { stream: true })));
  expect(data.slice(-2)).toEqual([
    JSON.stringify({
      error: { message: "the engine crashed.", type: "server_error", param: null, code: "engine_crashed" },
    }),
    "[DONE]",
  ]);
  expect(data.join()).not.toContain('"stop"');
  expect(lines.join()).toContain("failed: engine_crashed");
  engine.fails.after = 0;
  const early = await post("/v1/chat/completions", ask("a b", { stream: true }));
  expect([early.status, error.parse(await early.json()).error.code]).toEqual([500, "engine_crashed"]);
});

test("errors of the engine have statuses: the client's faults are 400, unforeseen ones tell nothing", async () => {
  const { post, engine, lines } = fakeServer();
  for (const [kind, status, code] of [
    ["usage", 400, "invalid_value"],
    ["file", 400, "invalid_media"],
    ["context", 400, "context_length_exceeded"],
    ["memory", 503, "out_of_memory"],
    ["device", 500, "device_lost"],
    ["internal", 500, "internal_error"],
  ] as const) {
    engine.fails = { after: 0, error: new EngineError(kind, "reason", 1, "at /secret/place") };
    const answer = await post("/v1/chat/completions", ask("x"));
    const told = error.parse(await answer.json());
    expect([answer.status, told.error.code]).toEqual([status, code]);
    expect(JSON.stringify(told)).not.toContain("secret");
  }
  expect(lines.join()).toContain("at /secret/place");
});

const wrong: [name: string, body: unknown, param: string | null, code?: string][] = [
  ["no JSON", "{", null, "invalid_json"],
  ["an empty body", "", null],
  ["not an object", [], null],
  ["no messages", {}, "messages"],
  ["an unknown role", { messages: [{ role: "tool", content: "x" }] }, "messages.0.role"],
  ["a URL that is missing", ask([{ type: "image_url", image_url: {} }]), "messages.0.content.0.image_url.url"],
  ["an unknown part", ask([{ type: "audio" }]), "messages.0.content.0.type"],
  [
    "pictures of the assistant",
    { messages: [{ role: "assistant", content: [picture("a")] }] },
    "messages.0.content.0.type",
  ],
  ["an answer last", { messages: [{ role: "assistant", content: "x" }] }, "messages.0"],
  ["a late system message", { messages: [...ask("x").messages, { role: "system", content: "x" }] }, "messages.1"],
  ["an empty message", ask([]), "messages.0"],
  [
    "an address",
    ask([{ type: "image_url", image_url: "https://example.org/a.png" }]),
    "messages.0.content.0.image_url",
    "url_not_allowed",
  ],
  [
    "a file",
    ask([{ type: "image_url", image_url: "file:///etc/passwd" }]),
    "messages.0.content.0.image_url",
    "url_not_allowed",
  ],
  [
    "a data: URL without data",
    ask([{ type: "image_url", image_url: "data:image/png" }]),
    "messages.0.content.0.image_url",
    "invalid_media",
  ],
  ["too many pictures", ask(Array.from({ length: 9 }, () => picture("a"))), "messages.0.content.8.image_url"],
  ["a temperature below 0", ask("x", { temperature: -1 }), "temperature"],
  ["too many answers", ask("x", { n: 5 }), "n"],
  ["too many frames", ask("x", { frames: 33 }), "frames"],
  ["alternatives alone", ask("x", { top_logprobs: 2 }), "top_logprobs"],
  ["tools", ask("x", { tools: [{ type: "function" }] }), "tools", "unsupported_parameter"],
  ["functions", ask("x", { functions: [{ name: "f" }] }), "functions", "unsupported_parameter"],
  ["an unknown form", ask("x", { response_format: { type: "xml" } }), "response_format.type"],
  ["weights of tokens", ask("x", { logit_bias: { 5: 1 } }), "logit_bias", "unsupported_parameter"],
  ["speech", ask("x", { modalities: ["text", "audio"] }), "modalities", "unsupported_parameter"],
  ["beams", ask("x", { num_beams: 3 }), "num_beams", "unsupported_parameter"],
];
for (const [name, body, param, code = "invalid_value"] of wrong)
  test(`refused in OpenAI's shape: ${name}`, async () => {
    const { post, engine } = fakeServer();
    const answer = await post("/v1/chat/completions", body);
    const told = error.parse(await answer.json());
    expect([answer.status, told.error.type, told.error.param, told.error.code]).toEqual([
      400,
      "invalid_request_error",
      param,
      code,
    ]);
    expect(engine.requests).toEqual([]);
  });

test("models: the one that there is, also under its other names; others are not found", async () => {
  const { get, post } = fakeServer();
  expect(models.parse(await (await get("/v1/models")).json()).data).toEqual([
    { id: "owl", object: "model", created: 1000, owned_by: "owl3" },
  ]);
  expect((await get("/v1/models/owl")).status).toBe(200);
  for (const answer of [await get("/v1/models/a/b"), await post("/v1/chat/completions", ask("x", { model: "b" }))]) {
    expect(answer.status).toBe(404);
    expect(error.parse(await answer.json()).error.code).toBe("model_not_found");
  }
});

test("responses: a whole conversation, instructions, an object with usage; nothing that would be kept", async () => {
  const { post, engine } = fakeServer();
  const input = [
    {
      role: "user",
      content: [
        { type: "input_image", image_url: picture("a").image_url.url },
        { type: "input_text", text: "x" },
      ],
    },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "y" }] },
    { role: "user", content: "z z" },
  ];
  const answer = await post("/v1/responses", { model: "owl", input, instructions: "be brief", max_output_tokens: 1 });
  const body = response.parse(await answer.json());
  expect(body).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  expect(body.output[0]?.content[0]?.text).toBe("z ");
  expect(engine.requests[0]?.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
  for (const [param, value] of [
    ["previous_response_id", "resp_1"],
    ["background", true],
    ["tools", [{}]],
  ] as const) {
    const refused = error.parse(await (await post("/v1/responses", { input: "x", [param]: value })).json());
    expect(refused.error.code).toBe("unsupported_parameter");
    expect(refused.error.param).toContain(param);
  }
});

test("responses as a stream: events in their order with numbers; a failure is told as one", async () => {
  const { post, engine } = fakeServer();
  const parse = async () =>
    (await events(await post("/v1/responses", { input: "a b", stream: true }))).map((item) => JSON.parse(item));
  const all = await parse();
  expect(all.map(({ type }) => type.replace("response.", ""))).toEqual([
    ...["created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta"],
    ...["output_text.done", "content_part.done", "output_item.done", "completed"],
  ]);
  expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, i) => i));
  expect(response.parse(all.at(-1).response).output[0]?.content[0]?.text).toBe("a b ");
  engine.fails = { after: 1, error: new EngineError("crashed", "the engine crashed.") };
  const failed = await parse();
  expect(failed.slice(-2)).toMatchObject([
    { type: "error", code: "engine_crashed" },
    { type: "response.failed", response: { status: "failed", error: { code: "engine_crashed" } } },
  ]);
});

test("score: choices in their order", async () => {
  const { post, engine } = fakeServer();
  const answer = await post("/v1/score", ask("x", { choices: ["A.", "B."], whole: true }));
  expect(score.parse(await answer.json()).choices.map(({ text: told }) => told)).toEqual(["A.", "B."]);
  expect(engine.scored[0]).toMatchObject({ candidates: ["A.", "B."], end: true });
  expect((await post("/v1/score", ask("x", { choices: [] }))).status).toBe(400);
});
