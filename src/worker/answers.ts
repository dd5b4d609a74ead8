/** Runs the requests of a server on an open model. */

import type { Chat } from "../chat/chat.js";
import type { ChatOptions } from "../chat/options.js";
import type { Owl } from "../chat/owl.js";
import type { OnProgress } from "../chat/progress.js";
import type { Scores } from "../chat/score.js";
import type { Token, TokenChoice } from "../decode/generate.js";
import type { InputMessage } from "../prompt/messages.js";
import type {
  AnswerEvent,
  AnswerRequest,
  ConversationRequest,
  EngineOptions,
  ScoreRequest,
  WireChoice,
  WireToken,
} from "./protocol.js";

type Shared = Pick<EngineOptions, "kvType" | "contextLength" | "maxPixels">;

/**
 * Gives the answers of a request, all at the same time: media are decoded once, and they share the computation of the prompt. When one fails, the others
 * are stopped.
 */
export async function runAnswers(
  owl: Owl,
  request: AnswerRequest,
  shared: Shared,
  signal: AbortSignal,
  emit: (event: AnswerEvent) => void,
): Promise<void> {
  const { n, messages, sampling, maxTokens, stop, format } = request;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  await using first = owl.chat({ ...conversationOptions(request, shared), messages });
  const began = performance.now();
  await first.load({ signal });
  const loadMs = performance.now() - began;
  const one = async (given: Chat, choice: number): Promise<void> => {
    await using chat = given;
    const seed = sampling.seed === undefined ? undefined : (sampling.seed + choice) >>> 0;
    const onProgress = choice === 0 ? visionOf(emit) : undefined; // all look at the same crops
    const answer = chat.answer({ ...sampling, seed, maxTokens, stop, format, signal: either, onProgress });
    const told = sampling.logprobs !== undefined;
    for await (const { text, token } of answer)
      if (text !== "" || token)
        emit({ type: "piece", choice, text, ...(told && token && { token: wireToken(owl, token) }) });
    const { finishReason, usage, timings } = await answer.result();
    const { promptTokens, prefilledTokens, completionTokens, crops } = usage;
    const { preprocessMs, visionMs, prefillMs, decodeMs } = timings;
    emit({
      type: "end",
      choice,
      finishReason,
      usage: { promptTokens, cachedTokens: promptTokens - prefilledTokens, completionTokens, crops },
      timings: { preprocessMs: preprocessMs + loadMs, visionMs, prefillMs, decodeMs },
    });
  };
  const all = [first, ...Array.from({ length: n - 1 }, () => first.fork())].map(one);
  const failure = Promise.all(all).catch((error: unknown) => {
    failed.abort();
    throw error;
  });
  await Promise.allSettled(all);
  await failure;
}

/** Tells of each crop that the vision tower is done with. */
function visionOf(emit: (event: AnswerEvent) => void): OnProgress {
  let told = -1;
  return (progress) => {
    if (progress.stage !== "encode" || progress.done === told) return;
    told = progress.done;
    emit({ type: "vision", done: progress.done, total: progress.total });
  };
}

export function runScore(owl: Owl, request: ScoreRequest, shared: Shared, signal: AbortSignal): Promise<Scores> {
  const { messages, candidates, end } = request;
  return owl.score(messages, candidates, { ...conversationOptions(request, shared), end, signal });
}

/** A picture is cut when it is alone, whatever the release: frames that a client sends as pictures would be seven crops each. */
function conversationOptions(
  request: ConversationRequest,
  { kvType, contextLength, maxPixels }: Shared,
): Omit<ChatOptions, "messages"> {
  const { cut = mediaOf(request.messages) === 1, video, tenant } = request;
  return { kvType, contextLength, maxPixels, cut, video, tenant };
}

function mediaOf(messages: readonly InputMessage[]): number {
  return messages
    .flatMap(({ content }) => (typeof content === "string" ? [] : content))
    .filter(({ type }) => type !== "text").length;
}

function wireToken(owl: Owl, { top, ...choice }: Token): WireToken {
  return { ...wireChoice(owl, choice), top: top.map((other) => wireChoice(owl, other)) };
}

function wireChoice(owl: Owl, { id, text, logprob }: TokenChoice): WireChoice {
  return { text, bytes: [...owl.tokenBytes(id)], logprob };
}
