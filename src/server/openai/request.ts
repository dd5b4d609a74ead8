/** OpenAI's requests → the engine's. */
import type { z } from "zod";
import type { VideoOptions } from "../../media/frames.js";
import type { AnswerRequest, ConversationRequest } from "../../worker/protocol.js";
import { badRequest, unsupported } from "../errors.js";
import type { Turn, TurnPart } from "../messages.js";
import type { Settings } from "../settings.js";
import type { ChatRequest, looking, message, penalty, ResponsesRequest, sampling } from "./schema.js";

type Message = z.output<typeof message>;
type Item = Exclude<ResponsesRequest["input"], string>[number];
type Looking = z.output<z.ZodObject<typeof looking>>;
type Penalty = "presence_penalty" | "frequency_penalty";
type Sampling = z.output<z.ZodObject<typeof sampling>> & { [K in Penalty]?: z.output<typeof penalty> };

/** The turns of a body's member `at`. A picture of low detail is not cut, unless `cut` asks for it. */
export function turnsOf(all: readonly (Message | Item)[], at: string, cut: boolean | null | undefined): Turn[] {
  const turns = all.map(({ role, content }, i): Turn => {
    const param = `${at}.${i}`;
    const parts = typeof content === "string" ? [{ type: "text" as const, text: content }] : (content ?? []);
    return {
      role: role === "developer" ? "system" : role,
      param,
      parts: parts.map((part, k): TurnPart => {
        const where = `${param}.content.${k}`;
        switch (part.type) {
          case "image_url":
          case "input_image": {
            const { image_url: image } = part;
            const detail = part.type === "input_image" ? part.detail : typeof image === "string" ? null : image.detail;
            const url = typeof image === "string" ? image : image.url;
            const small = detail === "low" && cut !== true && { cut: false };
            return { type: "image", medium: { url, param: `${where}.image_url` }, ...small };
          }
          case "video_url":
            return { type: "video", medium: { url: urlOf(part.video_url), param: `${where}.video_url` } };
          case "video":
            return {
              type: "frames",
              frames: part.video.map((f, n) => ({ url: urlOf(f), param: `${where}.video.${n}` })),
            };
          default:
            return { type: "text", text: part.text };
        }
      }),
    };
  });
  for (const { role, parts, param } of turns)
    if (role !== "user" && parts.some(({ type }) => type !== "text"))
      throw badRequest("only a user's message can hold pictures and videos.", param);
  return turns;
}

const urlOf = (url: string | { url: string }): string => (typeof url === "string" ? url : url.url);

/** How media are looked at. */
export function lookingOf(body: Looking, { maxFrames, decoder }: Settings): Pick<ConversationRequest, "cut" | "video"> {
  const { fps, frames, start, end, media_io_kwargs: vllm } = body;
  const indices = Array.isArray(frames) ? frames : undefined;
  const most = (Array.isArray(frames) ? frames.length : frames) ?? positive(vllm?.video?.num_frames);
  if (most !== undefined && most > maxFrames)
    throw badRequest(`${most} frames are asked for, and ${maxFrames} are allowed.`, "frames");
  const video: VideoOptions = {
    ...given({ fps: fps ?? positive(vllm?.video?.fps), start, end, frames: indices, decoder }),
    ...(indices ? {} : { maxFrames: most ?? Math.min(16, maxFrames) }),
  };
  return { video, ...given({ cut: body.cut }) };
}

/** vLLM writes -1 for all frames, which means as many as are allowed here. */
const positive = (value: number | null | undefined): number | undefined =>
  typeof value === "number" && value > 0 ? value : undefined;

export function samplingOf(body: Sampling): AnswerRequest["sampling"] {
  return given({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    seed: body.seed === null || body.seed === undefined ? undefined : Number(BigInt.asUintN(32, BigInt(body.seed))),
  });
}

/** The members that are there. */
function given<T extends object>(all: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

export function checkTools({
  tools,
  tool_choice: choice,
}: {
  tools?: unknown[] | null | undefined;
  tool_choice?: unknown;
}): void {
  if (tools && tools.length > 0 && choice !== "none") throw unsupported("tools", "this model calls no tools.");
}

/** Refuses what would change an answer and is not there. */
export function checkChat(body: ChatRequest): void {
  checkTools(body);
  if (body.functions && body.functions.length > 0) throw unsupported("functions", "this model calls no functions.");
  if (body.logit_bias && Object.keys(body.logit_bias).length > 0)
    throw unsupported("logit_bias", "tokens can't be weighted.");
  if (body.modalities?.some((kind) => kind !== "text") || (body.audio ?? null) !== null)
    throw unsupported("modalities", "answers are text.");
  if ((body.num_beams ?? 1) > 1) throw unsupported("num_beams", "answers are drawn, not searched for.");
  if ((body.top_logprobs ?? 0) > 0 && !body.logprobs) throw badRequest("top_logprobs needs logprobs.", "top_logprobs");
}
