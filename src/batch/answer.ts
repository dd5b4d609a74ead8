/** Answers a row. */
import type { AnswerResult } from "../chat/answer.js";
import type { AskOptions, ChatOptions } from "../chat/options.js";
import type { Owl } from "../chat/owl.js";
import { ContextError, FileError, MemoryError, NativeError, UsageError, UserError } from "../errors.js";
import type { InputMessage } from "../prompt/messages.js";
import { placeMedia } from "../prompt/placement.js";
import type { RowFiles } from "./media.js";
import type { Question } from "./question.js";
import { type Row, rowSeed } from "./row.js";

export interface AnswerSettings {
  files: RowFiles;
  /** Options of all rows; a row's own come before them. */
  chat: ChatOptions;
  ask: AskOptions;
  interleave: boolean;
  /** Each row's seed is made of this and its id. */
  seed: number;
}

/** The outcome of a row. */
export interface Outcome {
  row: Row;
  seed: number;
  result: AnswerResult | RowError;
}

/** Why a row failed, by a code that does not change. */
export interface RowError {
  code: string;
  message: string;
}

/**
 * Answers a row: its media are opened and decoded, then it waits for its place. What is wrong with the row becomes its outcome; other errors are
 * thrown.
 */
export async function answerRow(
  owl: Owl,
  row: Row,
  settings: AnswerSettings,
  place: () => Promise<void>,
): Promise<Outcome> {
  const { question } = row;
  const seed = rowSeed(settings.seed, row);
  try {
    if (question instanceof Error) throw question;
    await using chat = owl.chat({ ...settings.chat, ...(await conversation(row, question, settings, settings.chat)) });
    await chat.load();
    await place();
    return { row, seed, result: await chat.answer({ ...settings.ask, ...question.options, seed }).result() };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { row, seed, result: { code: codeOf(error), message: error.message } };
  }
}

/** Opens the media of a question. Its own system message comes before that of all rows, and a conversation with one in it has no other. */
export async function conversation(
  { raw: { base } }: Row,
  question: Question,
  { files, interleave }: Pick<AnswerSettings, "files" | "interleave">,
  { system }: Pick<ChatOptions, "system">,
): Promise<{ messages: InputMessage[]; system: string | undefined }> {
  if ("messages" in question) {
    const messages = await files.messages(question.messages, base);
    return { messages, system: messages[0]?.role === "system" ? undefined : system };
  }
  const media = [];
  for (const medium of question.media) media.push(await files.part(medium, base));
  const content = placeMedia(question.prompt, media, { interleave, literal: question.literal });
  return { messages: [{ role: "user", content }], system: question.system ?? system };
}

/** The code of what is wrong with a row. */
export function codeOf(error: UserError): string {
  if (error instanceof ContextError) return "context_length_exceeded";
  if (error instanceof MemoryError) return "out_of_memory";
  if (error instanceof NativeError) return error.code;
  if (error instanceof FileError) return "bad_file";
  return error instanceof UsageError ? "bad_row" : "failed";
}
