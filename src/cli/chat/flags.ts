import type { AskOptions, ChatOptions } from "../../engine/chat.js";

export interface ChatFlags {
  model?: string;
  prompt?: string;
  system?: string;
  messages?: string;
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
  stop?: string[];
  ctx?: number;
  threads?: number;
  device: "auto" | "cpu";
  precision: "auto" | "fast" | "exact";
  cut: boolean;
  interleave?: boolean;
  allowSpecial?: boolean;
  logprobs?: number;
  dryRun?: boolean;
  dump?: string;
  quiet?: boolean;
  json?: boolean;
}

export function chatOptions({ system, ctx, cut, allowSpecial }: ChatFlags): ChatOptions {
  return { system, contextLength: ctx, cut, allowSpecial };
}

export function askOptions(flags: ChatFlags): AskOptions {
  const { maxTokens, temp, topK, topP, minP, seed, beams, stop, logprobs } = flags;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = flags;
  return {
    ...{ maxTokens, temperature: temp, topK, topP, minP, seed, beams, stop, logprobs },
    ...{ repetitionPenalty, presencePenalty, frequencyPenalty },
  };
}
