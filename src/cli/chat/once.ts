import type { AnswerResult } from "../../chat/answer.js";
import type { Chat } from "../../chat/chat.js";
import type { PromptTensors } from "../../chat/options.js";
import { Owl } from "../../chat/owl.js";
import type { InputPart } from "../../prompt/messages.js";
import type { Output } from "../output.js";
import { dumpTensors } from "./dump.js";
import { askOptions, type ChatFlags, owlOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { ChatRecord } from "./record.js";
import { answerJson, ProgressView, summary } from "./view.js";

/** Answers one question and ends. */
export async function answerOnce(input: ChatInput, flags: ChatFlags, out: Output): Promise<void> {
  const view = new ProgressView(out);
  const record = await ChatRecord.open(input, flags, out);
  try {
    await using owl = await Owl.open(input.model, { ...owlOptions(flags), onProgress: view.on });
    await using chat = owl.chat(record.chatOptions);
    const started = performance.now();
    const question = input.question && (await record.keep(input.question));
    const result = await read(chat, question, flags, out, view, owl);
    if (flags.json) out.json(answerJson(owl.path, owl.backend, result));
    else if (process.stderr.isTTY) out.note(summary(result));
    if (result.finishReason === "length" && !flags.json)
      out.warn(`the answer was cut off after ${result.tokens.length} tokens (--max-tokens, --ctx).`);
    await record.answered(chat, question, { result, ms: performance.now() - started });
  } finally {
    view.stop();
    record.close();
  }
}

async function read(
  chat: Chat,
  question: InputPart[] | undefined,
  flags: ChatFlags,
  out: Output,
  view: ProgressView,
  owl: Owl,
): Promise<AnswerResult> {
  const { dump } = flags;
  const options = {
    ...askOptions(flags),
    onProgress: view.on,
    ...(dump !== undefined && {
      onPrefilled: (tensors: PromptTensors) => dumpTensors(dump, tensors, owl.config),
    }),
  };
  const answer = question === undefined ? chat.answer(options) : chat.ask(question, options);
  for await (const piece of answer) {
    view.stop();
    if (!flags.json) out.text(piece.text);
  }
  if (!flags.json) out.endText();
  return answer.result();
}
