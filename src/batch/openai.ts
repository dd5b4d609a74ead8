/**
 * Lines of OpenAI's batch format: `{custom_id, method, url, body}`, whose body is a request for a chat completion, and
 * `{id, custom_id, response: {status_code, request_id, body}, error}` for its answer.
 */
import type { AnswerResult } from "../chat/answer.js";
import { formatOf } from "../constrain/format.js";
import type { Token, TokenChoice } from "../decode/generate.js";
import { UsageError } from "../errors.js";
import { messagesOf } from "../prompt/parse.js";
import { rowOptions } from "./options.js";
import type { Question } from "./question.js";

type Values = Readonly<Record<string, unknown>>;

/** The question of a line. The name of its model is not looked at. Throws UsageError for what is asked for and isn't there. */
export function openaiQuestion(line: Values): Question {
  if (typeof line.custom_id !== "string" || line.custom_id === "") throw new UsageError('"custom_id" must be a text.');
  if (line.method !== undefined && line.method !== "POST") throw new UsageError('"method" must be "POST".');
  if (line.url !== undefined && line.url !== "/v1/chat/completions")
    throw new UsageError('"url" must be "/v1/chat/completions"; other requests are not answered.');
  const body = line.body;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new UsageError('"body" must be an object.');
  return { messages: conversation((body as Values).messages), options: bodyOptions(body as Values) };
}

function bodyOptions(body: Values): Question["options"] {
  if (body.n !== undefined && body.n !== null && body.n !== 1) throw new UsageError('"n" must be 1.');
  for (const name of ["tools", "functions", "audio"]) {
    const value = body[name];
    const harmless = Array.isArray(value) && value.length === 0;
    if (value !== undefined && value !== null && !harmless) throw new UsageError(`"${name}" is not supported.`);
  }
  if (body.stream === true) throw new UsageError('"stream" is not possible in a batch.');
  const logprobs = body.logprobs === true ? { logprobs: Number(body.top_logprobs ?? 0) } : {};
  return { ...rowOptions(body), ...logprobs, ...formOptions(body.response_format) };
}

/** As of a server, the model is not told of the form. */
function formOptions(form: unknown): Question["options"] {
  if (form === undefined || form === null) return {};
  const { type, json_schema: named } = form as Values;
  const { schema, strict } = (named ?? {}) as Values;
  if (type !== "text" && type !== "json_object" && (type !== "json_schema" || schema === undefined))
    throw new UsageError('"response_format" must be of type "text", "json_object", or "json_schema" with a schema.');
  const format = formatOf(type === "json_schema" ? { type, schema, strict: strict === true } : { type });
  return format ? { format, schemaPrompt: false } : {};
}

/** Messages as parseMessages takes them: a developer's are the system's, and a clip may be a video_url. */
function conversation(messages: unknown): Extract<Question, { messages: unknown }>["messages"] {
  if (!Array.isArray(messages)) throw new UsageError('"messages" must be a list.');
  const known = messages.map((message: Values) => ({
    ...message,
    role: message?.role === "developer" ? "system" : message?.role,
    content: Array.isArray(message?.content) ? message.content.map(part) : message?.content,
  }));
  return messagesOf(known, "The request");
}

function part(value: Values): unknown {
  if (value?.type === "input_text") return { ...value, type: "text" };
  if (value?.type !== "video_url") return value;
  // The same rules hold for the address of a clip as for that of a picture.
  const url = typeof value.video_url === "string" ? value.video_url : (value.video_url as Values | undefined)?.url;
  const [message] = messagesOf([{ role: "user", content: [{ type: "image_url", image_url: { url } }] }], "A clip");
  return { ...(message?.content[0] as object), type: "video" };
}

export interface OpenAiLine {
  id: string;
  custom_id: string;
  response: { status_code: number; request_id: string; body: unknown };
  error: null;
}

/** `created` is 0 in all answers, so that a run gives the same lines whenever it is done. */
export function openaiLine(
  row: { index: number; id: string },
  model: string,
  answer: AnswerResult | Failure,
  logprobs: boolean,
): OpenAiLine {
  const body = "code" in answer ? failureBody(answer) : completionBody(row.index, model, answer, logprobs);
  const response = { status_code: "code" in answer ? answer.status : 200, request_id: `req_${row.index}`, body };
  return { id: `batch_req_${row.index}`, custom_id: row.id, response, error: null };
}

export interface Failure {
  code: string;
  message: string;
  /** As a server would answer. */
  status: number;
}

function failureBody({ code, message, status }: Failure): unknown {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return { error: { message, type, param: null, code } };
}

function completionBody(index: number, model: string, answer: AnswerResult, logprobs: boolean): unknown {
  const { text, finishReason, tokens, usage } = answer;
  const { promptTokens, completionTokens } = usage;
  return {
    id: `chatcmpl-${index}`,
    object: "chat.completion",
    created: 0,
    model,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: text, refusal: null },
        logprobs: logprobs ? { content: tokens.map(tokenLogprobs), refusal: null } : null,
        finish_reason: finishReason,
      },
    ],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  };
}

function tokenLogprobs({ top, ...token }: Token): unknown {
  return { ...choice(token), top_logprobs: top.map(choice) };
}

function choice({ text, logprob }: TokenChoice): Record<string, unknown> {
  // Bytes that are no whole character are not known here; JSON has no infinity.
  const bytes = text.includes("\ufffd") ? null : [...Buffer.from(text)];
  return { token: text, logprob: Math.max(logprob, -9999), bytes };
}
