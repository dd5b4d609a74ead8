import path from "node:path";
import type { AnswerResult } from "../../chat/answer.js";
import type { LogEntry, LoggedMedium } from "../../logs/entry.js";
import { contentHash } from "../../media/hash.js";
import { openSource } from "../../media/source.js";
import type { InputMessage, InputPart, Source } from "../../prompt/messages.js";
import { textOf } from "../../sessions/record.js";

export interface Answered {
  model: string;
  session: string | undefined;
  result: AnswerResult | undefined;
  ms: number;
}

/** Makes the entry of the last answer of a conversation. Throws FileError when one of its media can't be read any more. */
export async function entryOf(
  messages: readonly InputMessage[],
  { model, session, result, ms }: Answered,
): Promise<LogEntry> {
  const [system] = messages;
  const question = messages.findLast(({ role }) => role === "user")?.content ?? "";
  const media: LoggedMedium[] = [];
  if (typeof question !== "string")
    for (const part of question) for (const source of await sourcesOf(part)) media.push(await logged(source));
  return {
    time: new Date().toISOString(),
    model: path.basename(model),
    ...(session !== undefined && { session }),
    ...(system?.role === "system" && { system: textOf(system.content) }),
    prompt: textOf(question),
    media,
    answer: textOf(messages.at(-1)?.content ?? ""),
    finish: result?.finishReason ?? "stopped",
    ...(result && {
      usage: {
        prompt_tokens: result.usage.promptTokens,
        completion_tokens: result.usage.completionTokens,
        crops: result.usage.crops,
      },
    }),
    ms: Math.round(ms),
  };
}

async function sourcesOf(part: InputPart): Promise<Source[]> {
  if (part.type === "text") return [];
  if ("frames" in part) return Promise.all(part.frames.map((frame) => openSource(frame)));
  if ("source" in part) return [part.source];
  return [await openSource("path" in part ? part.path : part.data)];
}

/** A copy of a session has the name of what it was copied from. */
async function logged(source: Source): Promise<LoggedMedium> {
  const { sha256, bytes } = await contentHash(source);
  return { path: source.path === source.name ? path.resolve(source.path) : source.name, sha256, bytes };
}
