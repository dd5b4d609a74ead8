import { OwlClient, type RemoteAnswer, type RemoteOptions } from "../../client/client.js";
import { UsageError, UserError } from "../../errors.js";
import type { InputMessage, InputPart } from "../../prompt/messages.js";
import { placeMedia } from "../../prompt/placement.js";
import { explain } from "../explain.js";
import { takeInterrupt } from "../interrupt.js";
import type { Output } from "../output.js";
import { askOptions, type ChatFlags, videoOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { Keyboard } from "./keyboard.js";
import { ProgressView } from "./view.js";

/** Options that have no meaning for an answer of a server. */
const local = ["session", "continue", "dryRun", "dump", "beams", "draft", "logprobs", "allowSpecial", "ctx"] as const;

/** Throws UsageError when an option can't be had from a server. */
export function checkRemote(flags: ChatFlags): void {
  const wrong = local.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (wrong === undefined) return;
  const option = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UsageError(`--${option} can't be had from a server.`);
}

/** Asks a running `owl3 serve` one question, or holds a conversation with it. */
export async function askServer(input: ChatInput, flags: ChatFlags, open: boolean, out: Output): Promise<void> {
  const client = new OwlClient(flags.server as string, { apiKey: process.env.OWL3_API_KEY });
  const { system } = flags;
  const messages: InputMessage[] = [
    ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
    ...input.messages,
  ];
  if (open) return converse(client, messages, input, flags, out);
  if (input.question) messages.push({ role: "user", content: input.question });
  const answer = await show(client, messages, optionsOf(flags), !flags.json, out);
  if (flags.json) out.json(answerJson(answer));
  else if (answer.finishReason === "length") out.warn("the answer was cut off (--max-tokens, or the server's limit).");
}

async function converse(
  client: OwlClient,
  messages: InputMessage[],
  { media }: ChatInput,
  flags: ChatFlags,
  out: Output,
): Promise<void> {
  const keyboard = await Keyboard.open();
  out.note(`${client.url}; Ctrl-C stops an answer, Ctrl-D leaves.`);
  let waiting = [...media];
  try {
    for (let line = await keyboard.ask(">>> "); line !== undefined; line = await keyboard.ask(">>> ")) {
      if (line.trim() === "") continue;
      if (line.trim() === "/bye") break;
      const content = placeMedia(line.trim(), waiting, { interleave: flags.interleave ?? false }) as InputPart[];
      const controller = new AbortController();
      const release = takeInterrupt(() => controller.abort());
      try {
        const asked: InputMessage[] = [...messages, { role: "user", content }];
        const { text } = await show(client, asked, { ...optionsOf(flags), signal: controller.signal }, true, out);
        messages = [...asked, { role: "assistant", content: text }];
        waiting = [];
      } catch (error) {
        out.endText();
        if (controller.signal.aborted) out.note("(stopped)");
        else if (error instanceof UserError) out.warn(explain(error).message);
        else throw error;
      } finally {
        release();
      }
    }
  } finally {
    await keyboard.save();
  }
}

async function show(
  client: OwlClient,
  messages: readonly InputMessage[],
  options: RemoteOptions,
  streams: boolean,
  out: Output,
): Promise<RemoteAnswer> {
  const view = new ProgressView(out);
  const answer = client.answer(messages, { ...options, onVision: view.onVision });
  try {
    for (;;) {
      const { done, value } = await answer.next();
      view.stop();
      if (!done) {
        if (streams) out.text(value);
        continue;
      }
      if (streams) out.endText();
      return value;
    }
  } finally {
    view.stop();
  }
}

function optionsOf(flags: ChatFlags): RemoteOptions {
  const { decoder: _, ...video } = videoOptions(flags);
  const asked = askOptions(flags);
  const { temperature, topK, topP, minP, seed, repetitionPenalty, presencePenalty, frequencyPenalty } = asked;
  const { maxTokens, stop, format } = asked;
  return {
    ...{ temperature, topK, topP, minP, seed, repetitionPenalty, presencePenalty, frequencyPenalty },
    ...{ maxTokens, stop, format, cut: flags.cut, video },
  };
}

function answerJson({ model, text, finishReason, usage, timings: t }: RemoteAnswer): unknown {
  return {
    model,
    text,
    finish_reason: finishReason,
    usage: { prompt_tokens: usage.promptTokens, crops: usage.crops, completion_tokens: usage.completionTokens },
    timings: {
      preprocess_ms: t.preprocessMs,
      vision_ms: t.visionMs,
      prefill_ms: t.prefillMs,
      decode_ms: t.decodeMs,
    },
  };
}
