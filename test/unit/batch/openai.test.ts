import { expect, test } from "vitest";
import { batchResults } from "../../../src/batch/lines.js";
import { openaiLine, openaiQuestion } from "../../../src/batch/openai.js";
import type { AnswerResult } from "../../../src/chat/answer.js";

const user = (content: unknown) => ({ role: "user", content });
const line = (body: object, more = {}) => ({
  custom_id: "a",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "any", messages: [user("hi")], ...body },
  ...more,
});

test("OpenAI: a request becomes a conversation and options", () => {
  const picture = { type: "image_url", image_url: { url: "data:image/png;base64,AA==", detail: "low" } };
  const clip = { type: "video_url", video_url: { url: "file:///clip.mp4" } };
  const asked = openaiQuestion(
    line({
      messages: [{ role: "developer", content: "be brief" }, user([picture, clip, { type: "text", text: "?" }])],
      max_completion_tokens: 9,
      temperature: 0.5,
      stop: null,
      logprobs: true,
      top_logprobs: 2,
      n: 1,
      tools: [],
      response_format: { type: "text" },
      stream: false,
    }),
  );
  expect(asked).toEqual({
    messages: [
      { role: "system", content: "be brief" },
      user([
        { type: "image", path: "data:image/png;base64,AA==" },
        { type: "video", path: "/clip.mp4" },
        { type: "text", text: "?" },
      ]),
    ],
    options: { maxTokens: 9, temperature: 0.5, logprobs: 2 },
  });
});

test("OpenAI: the form of an answer, of which the model is not told", () => {
  const options = (form: object | null) => openaiQuestion(line({ response_format: form })).options;
  const schema = { type: "object" };
  expect(options(null)).toEqual({});
  expect(options({ type: "json_object" })).toEqual({ format: { jsonObject: true }, schemaPrompt: false });
  const named = (strict?: boolean) => options({ type: "json_schema", json_schema: { name: "a", schema, strict } });
  expect(named()).toEqual({ format: { schema, lax: true }, schemaPrompt: false });
  expect(named(true)).toEqual({ format: { schema }, schemaPrompt: false });
});

test("OpenAI: what can't be done is refused in a sentence", () => {
  const refused = (why: string, body: object, more = {}) => expect(() => openaiQuestion(line(body, more))).toThrow(why);
  refused('"n" must be 1', { n: 2 });
  refused('"tools" is not supported', { tools: [{ type: "function" }] });
  for (const form of [
    { type: "json_schema" },
    { type: "json_schema", json_schema: { name: "a" } },
    { type: 3 },
    "text",
  ])
    refused('"response_format" must be of type', { response_format: form });
  refused('"audio" is not supported', { audio: { voice: "a" } });
  refused('"stream" is not possible', { stream: true });
  refused('"messages" must be a list', { messages: "hi" });
  refused("expected a list of messages", { messages: [] });
  refused("message 1", { messages: [null] });
  refused("only file: and data: URLs are opened", {
    messages: [user([{ type: "image_url", image_url: { url: "http://169.254.169.254/" } }])],
  });
  refused("only file: and data: URLs are opened", {
    messages: [user([{ type: "video_url", video_url: { url: "https://example.org/a.mp4" } }])],
  });
  refused('"custom_id" must be a text', {}, { custom_id: 3 });
  refused('"url" must be', {}, { url: "/v1/embeddings" });
  refused('"method" must be "POST"', {}, { method: "GET" });
  refused('"body" must be an object', {}, { body: [] });
});

test("OpenAI: answers and failures, and what a later run reads of them", () => {
  const token = {
    id: 1,
    text: "Yes",
    logprob: -0.5,
    top: [{ id: 2, text: "\ufffd", logprob: Number.NEGATIVE_INFINITY }],
  };
  const result = {
    text: "Yes",
    finishReason: "stop",
    tokens: [token],
    usage: { promptTokens: 3, completionTokens: 1, crops: 1, prefilledTokens: 3 },
  } as unknown as AnswerResult;
  const row = { index: 4, id: "mine" };
  const done = openaiLine(row, "m.gguf", result, true);
  expect(done).toEqual({
    id: "batch_req_4",
    custom_id: "mine",
    response: {
      status_code: 200,
      request_id: "req_4",
      body: {
        id: "chatcmpl-4",
        object: "chat.completion",
        created: 0,
        model: "m.gguf",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "Yes", refusal: null },
            logprobs: {
              content: [
                {
                  token: "Yes",
                  logprob: -0.5,
                  bytes: [89, 101, 115],
                  top_logprobs: [{ token: "\ufffd", logprob: -9999, bytes: null }],
                },
              ],
              refusal: null,
            },
            finish_reason: "stop",
          },
        ],
        usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
      },
    },
    error: null,
  });
  const failed = openaiLine(row, "m.gguf", { code: "bad_file", message: "there is no file.", status: 400 }, false);
  expect(failed.response).toEqual({
    status_code: 400,
    request_id: "req_4",
    body: {
      error: { message: "there is no file.", type: "invalid_request_error", param: null, code: "bad_file" },
    },
  });
  expect(batchResults.read(done)).toEqual({ id: "mine", failed: false });
  expect(batchResults.read(failed)).toEqual({ id: "mine", failed: true });
  for (const odd of [{}, { id: "a" }, { custom_id: "a" }, { custom_id: "a", id: "x" }, { index: 1 }])
    expect(batchResults.read(odd as object)).toBeUndefined();
});
