/** The answers of POST /v1/responses: one answer to a whole conversation; nothing is kept. */
import { randomUUID } from "node:crypto";
import type { AnswerEvent } from "../../worker/protocol.js";
import { type AnswerEnd, type Collected, collect, timingsOf } from "../collect.js";
import { ApiError, toApiError } from "../errors.js";
import { sse, visionComment } from "../stream.js";
import type { ResponsesRequest } from "./schema.js";

type Status = "in_progress" | "completed" | "incomplete" | "failed";

/** Makes the response object of a request, which grows as its answer does. */
export class ResponseObject {
  readonly #base: object;
  readonly #message = `msg_${randomUUID().replaceAll("-", "")}`;

  constructor(body: ResponsesRequest, model: string) {
    this.#base = {
      id: `resp_${randomUUID().replaceAll("-", "")}`,
      object: "response",
      created_at: Math.floor(Date.now() / 1000),
      instructions: body.instructions ?? null,
      max_output_tokens: body.max_output_tokens ?? null,
      metadata: body.metadata ?? {},
      model,
      parallel_tool_calls: false,
      previous_response_id: null,
      store: false,
      temperature: body.temperature ?? null,
      text: { format: { type: "text" } },
      tool_choice: "none",
      tools: [],
      top_p: body.top_p ?? null,
      truncation: "disabled",
    };
  }

  async whole(events: AsyncIterable<AnswerEvent>): Promise<object> {
    const [{ text, end }] = (await collect(events, 1)) as [Collected];
    return this.#ended(text, end);
  }

  async *stream(events: AsyncIterable<AnswerEvent>): AsyncGenerator<string, void, void> {
    let number = 0;
    const event = (type: string, data: object): string => sse({ type, sequence_number: number++, ...data }, type);
    const at = { item_id: this.#message, output_index: 0, content_index: 0 };
    let text = "";
    let end: AnswerEnd | undefined;
    let begun = false;
    try {
      for await (const piece of events) {
        if (piece.type === "vision") {
          yield visionComment(piece);
          continue;
        }
        if (!begun) {
          begun = true;
          yield event("response.created", { response: this.#object("in_progress", []) });
          yield event("response.in_progress", { response: this.#object("in_progress", []) });
          yield event("response.output_item.added", { output_index: 0, item: this.#item("in_progress") });
          yield event("response.content_part.added", { ...at, part: part("") });
        }
        if (piece.type === "end") end = piece;
        else if (piece.text !== "") {
          text += piece.text;
          yield event("response.output_text.delta", { ...at, delta: piece.text, logprobs: [] });
        }
      }
    } catch (error) {
      if (!begun) throw error;
      const { code, message } = toApiError(error);
      yield event("error", { code, message, param: null });
      yield event("response.failed", { response: { ...this.#object("failed", []), error: { code, message } } });
      return;
    }
    if (!end) throw new ApiError(500, "internal_error", "the answer has no end.");
    const { finishReason } = end;
    const status = finishReason === "stop" ? "completed" : "incomplete";
    yield event("response.output_text.done", { ...at, text, logprobs: [] });
    yield event("response.content_part.done", { ...at, part: part(text) });
    yield event("response.output_item.done", { output_index: 0, item: this.#item(status, text) });
    yield event(`response.${status}`, { response: this.#ended(text, end) });
  }

  #ended(text: string, { finishReason, usage, timings }: AnswerEnd): object {
    const status = finishReason === "stop" ? "completed" : "incomplete";
    const { promptTokens, cachedTokens, completionTokens } = usage;
    return {
      ...this.#object(status, [this.#item(status, text)]),
      incomplete_details: status === "completed" ? null : { reason: "max_output_tokens" },
      usage: {
        input_tokens: promptTokens,
        input_tokens_details: { cached_tokens: cachedTokens },
        output_tokens: completionTokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: promptTokens + completionTokens,
      },
      timings: timingsOf(timings),
    };
  }

  #object(status: Status, output: object[]): object {
    return { ...this.#base, status, error: null, incomplete_details: null, output, usage: null };
  }

  #item(status: Status, text?: string): object {
    const content = text === undefined ? [] : [part(text)];
    return { id: this.#message, type: "message", status, role: "assistant", content };
  }
}

const part = (text: string): object => ({ type: "output_text", text, annotations: [], logprobs: [] });
