import { checkShape, type Kind, kinds, oneOf, type Shape } from "../check.js";
import type { AnswerFormat } from "../constrain/format.js";
import { resolveSampling, type SamplingOptions, samplingShape } from "../decode/sampling.js";
import { UsageError } from "../errors.js";
import { type VideoOptions, videoShape } from "../media/frames.js";
import type { KvType, MemoryPlan } from "../native/model.js";
import type { SamplerOptions } from "../native/session.js";
import type { InputMessage } from "../prompt/messages.js";
import { messagesOf } from "../prompt/parse.js";
import type { OnProgress } from "./progress.js";

export interface ChatOptions {
  /** The system message. */
  system?: string | undefined;
  /** Earlier turns with their pictures; the last may be a question that is still to be answered. */
  messages?: readonly InputMessage[] | undefined;
  /** Positions of prompt and answers that the chat may hold; by default the context grows as needed, up to that of the model. */
  contextLength?: number | undefined;
  /**
   * Whether pictures are cut into a grid of crops or only their global view is shown. By default 241101 cuts every picture, earlier releases one
   * that is alone in the conversation.
   */
  cut?: boolean | undefined;
  /** The frames of videos to look at, and their decoder. */
  video?: VideoOptions | undefined;
  /** Whether special tokens in texts act as such, as turn markers do; by default they are plain text. */
  allowSpecial?: boolean | undefined;
  /** The type of the KV cache; default: f16 for quantised files, f32 where the weights are float. */
  kvType?: KvType | undefined;
  /** Pixels of a picture or of a video's frame at most; default: what the decoders allow. */
  maxPixels?: number | undefined;
  /**
   * For whom the answers are: chats of different tenants share neither crops nor prefixes, in memory or on disk. Sharing makes an answer quicker, which
   * would tell one that another has shown the same picture.
   */
  tenant?: string | undefined;
}

export interface AskOptions extends SamplingOptions {
  /** Tokens of the answer at most; default: 512. */
  maxTokens?: number | undefined;
  /** Stop strings: each ends the answer and is not part of it. */
  stop?: readonly string[] | undefined;
  /** Number of beams; above 1, beam search replaces sampling and the answer comes in one piece. */
  beams?: number | undefined;
  /** "lookup": speculative decoding by prompt lookup; it gives the same answer, faster on repetitive text. */
  draft?: "lookup" | undefined;
  /** The form of the answer; default: any. An answer that is cut off (maxTokens) is the beginning of one. */
  format?: AnswerFormat | undefined;
  /** Whether the system message tells the model of the schema; default: true. */
  schemaPrompt?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
  /** Called with the planned memory before work starts. */
  onPlan?: ((plan: MemoryPlan) => void) | undefined;
  /** Called once between the prompt and the first token; it serves to compare implementations. */
  onPrefilled?: ((tensors: PromptTensors) => void | Promise<void>) | undefined;
}

export const chatShape: Shape<ChatOptions> = {
  system: kinds.text,
  messages: kinds.list,
  contextLength: kinds.number,
  cut: kinds.flag,
  video: kinds.object,
  allowSpecial: kinds.flag,
  kvType: oneOf("f32", "f16", "q8_0"),
  maxPixels: kinds.number,
  tenant: kinds.text,
};

export const askShape: Shape<AskOptions> = {
  ...samplingShape,
  maxTokens: kinds.number,
  stop: kinds.texts,
  beams: kinds.number,
  draft: oneOf("lookup"),
  format: kinds.object,
  schemaPrompt: kinds.flag,
  signal: kinds.signal,
  onProgress: kinds.callback,
  onPlan: kinds.callback,
  onPrefilled: kinds.callback,
};

/** Checks the keys and types of a chat's options and returns its messages in one form. Throws UsageError. */
export function checkChat(options: ChatOptions, shape: Readonly<Record<string, Kind>>, where: string): InputMessage[] {
  checkShape(options, shape, where);
  checkShape(options.video, videoShape, `${where}: video`);
  const { messages = [] } = options;
  return messages.length === 0 ? [] : messagesOf(messages, `${where}: messages`, true);
}

/** Copies of the tensors that a prompt gave. */
export interface PromptTensors {
  crops: number;
  /** One array [cropSize, cropSize, 3] a crop. */
  pixels: Uint8Array[];
  /** One array [cropTokens, hiddenSize] a crop. */
  imageEmbeds: Float32Array[];
  /** The logits of the prompt's last row, [vocabSize]. */
  logits: Float32Array;
}

/** The default of {@link AskOptions.maxTokens}. */
export const defaultMaxTokens = 512;

const minContext = 16;

/** Throws UsageError when a context length was given that the model can't have. */
export function checkContextLength(contextLength: number | undefined, modelContext: number): void {
  if (contextLength !== undefined && !isInteger(contextLength, minContext, modelContext))
    throw new UsageError(
      `the context must be an integer from ${minContext} to the model's ${modelContext} positions, not ${contextLength}.`,
    );
}

/** Checks the options of an answer and returns those of its sampler. Throws UsageError. */
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
