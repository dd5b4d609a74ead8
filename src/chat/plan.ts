import { maxDraft } from "../decode/draft.js";
import { prefillChunk } from "../decode/pass.js";
import { ContextError } from "../errors.js";
import type { ModelOptions, Work } from "../native/model.js";
import { type AskOptions, type ChatOptions, defaultMaxTokens } from "./options.js";

export interface PromptSize {
  promptTokens: number;
  crops: number;
  /** Positions that the model was trained on. */
  modelContext: number;
}

/**
 * The work of one answer, as both a run and its preview plan it: as many positions as prompt and answer may take, within the context. Pages of
 * the KV cache come as they are needed, so that this is the most, not what is taken at once. Throws ContextError when the prompt leaves
 * no room for an answer.
 */
export function planWork({ promptTokens, crops, modelContext }: PromptSize, chat: ChatOptions, ask: AskOptions): Work {
  const limit = chat.contextLength ?? modelContext;
  if (promptTokens >= limit) throw new ContextError(promptTokens, limit, chat.contextLength !== undefined);
  const contextLength = Math.min(limit, promptTokens + (ask.maxTokens ?? defaultMaxTokens));
  const logitRows = ask.draft || ask.format ? 1 + maxDraft : undefined;
  return workOf({ contextLength, crops, sequences: ask.beams ?? 1, kvType: chat.kvType, logitRows });
}

/** The pictures, and the positions, that layers are placed for before anything is known of a question. */
const placedFor = { crops: 16, contextLength: 4096 };

/** The work that must fit beside the weights when a model's layers are shared out among devices. */
export function placementWork(contextLength = placedFor.contextLength): Work {
  return workOf({ contextLength, crops: placedFor.crops, sequences: 1 });
}

/** Where and how a model is opened, with the defaults. */
export function placeOf({
  device = "auto",
  threads = 0,
  precision = "auto",
  gpuLayers,
  placedFor = placementWork(),
}: ModelOptions) {
  return { device, threads, precision, gpuLayers, placedFor };
}

/** Work in passes as they are made here. */
export function workOf(work: Omit<Work, "prefillChunk">): Work {
  return { ...work, prefillChunk };
}
