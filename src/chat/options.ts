import { resolveSampling, type SamplingOptions } from "../decode/sampling.js";
import { UsageError } from "../errors.js";
import type { VideoOptions } from "../media/frames.js";
import type { KvType, MemoryPlan, SamplerOptions } from "../native/binding.js";
import type { InputMessage } from "../prompt/messages.js";
import type { OnProgress } from "./progress.js";

export interface ChatOptions {
  /** The system message. */
  system?: string | undefined;
  /** Turns that have been, with their pictures; the last may be a question still to be answered. */
  messages?: readonly InputMessage[] | undefined;
  /** Positions (prompt and answers) the chat may hold; by default it grows as needed, up to what the model knows. */
  contextLength?: number | undefined;
  /** Cut pictures into a grid of crops (default), or show only their global view. */
  cut?: boolean | undefined;
  /** Which frames of videos are looked at, and what decodes them. */
  video?: VideoOptions | undefined;
  /** Turn markers in a text act as such; by default they are plain text. */
  allowSpecial?: boolean | undefined;
  /** How the KV cache is stored; default: f16 for quantized files, f32 where weights are floats. */
  kvType?: KvType | undefined;
}

export interface AskOptions extends SamplingOptions {
  /** Default {@link defaultMaxTokens}. */
  maxTokens?: number | undefined;
  /** Texts that end the answer; they are not part of it. */
  stop?: readonly string[] | undefined;
  /** Beam search over this many hypotheses instead of drawing; the answer then comes in one piece. */
  beams?: number | undefined;
  /** "lookup": guess from what the prompt and the answer said before; the same answer, sooner where it repeats them. */
  draft?: "lookup" | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
  /** Called when the memory is planned, before work starts. */
  onPlan?: ((plan: MemoryPlan) => void) | undefined;
  /** Called once between prompt and first token, for people who compare implementations. */
  onPrefilled?: ((tensors: PromptTensors) => void | Promise<void>) | undefined;
}

/** Copies of what the model made of the prompt. */
export interface PromptTensors {
  crops: number;
  /** [s, s, 3] each */
  pixels: Uint8Array[];
  /** [crops, tokens, d], one array a call of the vision tower */
  imageEmbeds: Float32Array[];
  /** [vocabulary], of the prompt's last row */
  logits: Float32Array;
}

/** Answers have at most so many tokens unless told otherwise. */
export const defaultMaxTokens = 512;

const minContext = 16;

/** Throws UsageError when a context length was given that the model can't have. */
export function checkContextLength(contextLength: number | undefined, modelContext: number): void {
  if (contextLength !== undefined && !isInteger(contextLength, minContext, modelContext))
    throw new UsageError(
      `the context must be an integer from ${minContext} to the model's ${modelContext} positions, not ${contextLength}.`,
    );
}

/** Throws UsageError for options that can't be; returns how tokens are drawn. */
export function checkOptions(options: AskOptions, defaults: SamplingOptions): SamplerOptions {
  const { maxTokens = defaultMaxTokens, beams = 1 } = options;
  if (!isInteger(maxTokens, 1, 1 << 24))
    throw new UsageError(`maxTokens is ${maxTokens}; it must be an integer of at least 1.`);
  if (!isInteger(beams, 1, 64)) throw new UsageError(`beams is ${beams}; it must be an integer from 1 to 64.`);
  if (beams > 1 && (options.temperature ?? 0) > 0)
    throw new UsageError("beam search does not draw tokens: give either beams or a temperature.");
  return resolveSampling(options, defaults);
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
