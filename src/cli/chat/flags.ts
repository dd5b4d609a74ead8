import type { AskOptions, ChatOptions } from "../../chat/options.js";
import type { OwlOptions } from "../../chat/owl.js";
import { placementWork } from "../../chat/plan.js";
import type { AnswerFormat } from "../../constrain/format.js";
import type { VideoOptions } from "../../media/frames.js";
import type { DecoderChoice } from "../../media/video.js";
import type { KvType } from "../../native/model.js";

/** The options of the model and the machine. */
export interface ModelFlags {
  model?: string;
  ctx?: number;
  threads?: number;
  device: string;
  gpuLayers?: number;
  precision: "auto" | "fast" | "exact";
  kvType?: KvType;
  cache: boolean;
  repackCache: boolean;
}

/** Those of them that change no answer. */
export const freeModelFlags = [
  "model",
  "threads",
  "device",
  "gpuLayers",
  "cache",
  "repackCache",
] as const satisfies readonly (keyof ModelFlags)[];

/** The options of a question. */
export interface PromptFlags {
  prompt?: string;
  system?: string;
  interleave?: boolean;
  allowSpecial?: boolean;
}

/** The options of an answer. */
export interface AnswerFlags {
  maxTokens: number;
  temp?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  seed?: number;
  beams?: number;
  draft?: "lookup";
  stop?: string[];
  schema?: string;
  schemaLax?: boolean;
  schemaPrompt: boolean;
  choice?: string[];
  regex?: string;
  jsonObject?: boolean;
  /** The form of answers that these ask for, once it is read (answer-format.ts). */
  answerFormat?: AnswerFormat | undefined;
  logprobs?: number;
}

/** The options of pictures and videos. */
export interface MediaFlags {
  cut?: boolean;
  fps?: number;
  maxFrames?: number;
  start?: number;
  end?: number;
  frames?: number[];
  decoder?: DecoderChoice;
}

/** The options of `owl3 chat` and `owl3 video` as commander parses them. */
export interface ChatFlags extends ModelFlags, PromptFlags, AnswerFlags, MediaFlags {
  messages?: string;
  server?: string;
  session?: string;
  continue?: boolean;
  log: boolean;
  image?: string[];
  clipboard?: boolean;
  preview?: boolean;
  recursive?: boolean;
  dryRun?: boolean;
  dump?: string;
  quiet?: boolean;
  json?: boolean;
}

export function owlOptions(flags: ModelFlags): OwlOptions {
  const { precision, threads, cache, repackCache, gpuLayers, ctx, kvType } = flags;
  // Without layers for it no GPU is looked for.
  const device = gpuLayers === 0 && flags.device === "auto" ? "cpu" : flags.device;
  const placedFor = ctx === undefined && kvType === undefined ? undefined : { ...placementWork(ctx), kvType };
  return { device, gpuLayers, placedFor, precision, threads: threads ?? 0, cache, repackCache };
}

export function chatOptions(flags: ModelFlags & PromptFlags & MediaFlags): ChatOptions {
  const { system, ctx, cut, allowSpecial, kvType } = flags;
  return { system, contextLength: ctx, cut, allowSpecial, kvType, video: videoOptions(flags) };
}

/** The video options that were given; the others keep their defaults. */
export function videoOptions({ fps, maxFrames, start, end, frames, decoder }: MediaFlags): VideoOptions {
  const given = Object.entries({ fps, maxFrames, start, end, frames, decoder }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(given) as VideoOptions;
}

export function askOptions(flags: AnswerFlags): AskOptions {
  const { maxTokens, temp, topK, topP, minP, seed, beams, draft, stop, logprobs, answerFormat, schemaPrompt } = flags;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = flags;
  return {
    ...{ maxTokens, temperature: temp, topK, topP, minP, seed, beams, draft, stop, logprobs },
    ...{ repetitionPenalty, presencePenalty, frequencyPenalty, format: answerFormat, schemaPrompt },
  };
}
