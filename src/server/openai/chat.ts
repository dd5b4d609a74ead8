/** The answers of POST /v1/chat/completions. */
import { randomUUID } from "node:crypto";
import type { AnswerEvent, AnswerUsage, WireChoice, WireToken } from "../../worker/protocol.js";
import { type AnswerEnd, type Collected, collect, timingsOf, totalUsage } from "../collect.js";
import { sse, visionComment } from "../stream.js";

interface Head {
  id: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** Makes the members that all answers of one request have in common. */
export function chatHead(model: string, fingerprint: string): Head {
  const created = Math.floor(Date.now() / 1000);
  return { id: `chatcmpl-${randomUUID()}`, created, model, system_fingerprint: fingerprint };
}

export async function chatCompletion(events: AsyncIterable<AnswerEvent>, n: number, head: Head, logprobs: boolean) {
  const all = await collect(events, n);
  const { id, ...rest } = head;
  return {
    id,
    object: "chat.completion" as const,
    ...rest,
    choices: all.map(({ text, tokens, end }: Collected, index) => ({
      index,
      message: { role: "assistant" as const, content: text, refusal: null },
      logprobs: logprobs ? logprobsOf(tokens) : null,
      finish_reason: end.finishReason,
    })),
    usage: usageOf(totalUsage(all.map(({ end }) => end))),
    timings: timingsOf((all[0] as Collected).end.timings),
  };
}

export interface ChunkOptions {
  logprobs: boolean;
  includeUsage: boolean;
}

/** The events of a stream. With `includeUsage` every chunk has the member, as OpenAI's have; without, none has: clients look into `choices` of each. */
export async function* chatChunks(
  events: AsyncIterable<AnswerEvent>,
  head: Head,
  { logprobs, includeUsage }: ChunkOptions,
): AsyncGenerator<string, void, void> {
  const { id, ...rest } = head;
  const chunk = (choices: unknown[], extra: object = {}): string =>
    sse({ id, object: "chat.completion.chunk", ...rest, choices, ...(includeUsage && { usage: null }), ...extra });
  const begun = new Set<number>();
  const ends: AnswerEnd[] = [];
  for await (const event of events) {
    if (event.type === "vision") {
      yield visionComment(event);
      continue;
    }
    const { choice: index } = event;
    if (!begun.has(index)) {
      begun.add(index);
      yield chunk([{ index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }]);
    }
    if (event.type === "end") {
      ends.push(event);
      const last = { index, delta: {}, logprobs: null, finish_reason: event.finishReason };
      yield chunk([last], { timings: timingsOf(event.timings) });
    } else if (event.text !== "" || (logprobs && event.token)) {
      const told = logprobs && event.token ? logprobsOf([event.token]) : null;
      yield chunk([{ index, delta: { content: event.text }, logprobs: told, finish_reason: null }]);
    }
  }
  if (includeUsage) yield chunk([], { usage: usageOf(totalUsage(ends)) });
  yield sse("[DONE]");
}

function usageOf({ promptTokens, cachedTokens, completionTokens, crops }: AnswerUsage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    crops,
  };
}

export function logprobsOf(tokens: readonly WireToken[]) {
  return {
    content: tokens.map(({ top, ...token }) => ({ ...logprobOf(token), top_logprobs: top.map(logprobOf) })),
    refusal: null,
  };
}

/** JSON has no infinity: OpenAI writes -9999 for what can't come. */
const logprobOf = ({ text, bytes, logprob }: WireChoice) => ({ token: text, logprob: Math.max(logprob, -9999), bytes });
