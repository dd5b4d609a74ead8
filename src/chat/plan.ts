import { prefillChunk } from "../decode/context.js";
import { ContextError } from "../errors.js";
import type { Work } from "../native/binding.js";
import { type AskOptions, type ChatOptions, defaultMaxTokens } from "./options.js";

/** The context a chat starts with unless it is given one, in positions. */
const defaultContext = 4096;

export interface PromptSize {
  promptTokens: number;
  crops: number;
  /** Positions that the model was trained on. */
  modelContext: number;
  /** Positions of the KV cache that the chat has already; 0 before its first answer. */
  heldContext: number;
}

/**
 * The work of one answer, as both a run and its preview plan it. A chat that was given no context length gets the next power of two that
 * holds prompt and answer, at least {@link defaultContext} and at most the context of the model, so that a growing chat is rarely prefilled anew.
 * Throws ContextError when the prompt leaves no room for an answer.
 */
export function planWork(size: PromptSize, chat: ChatOptions, ask: AskOptions): Work {
  const { promptTokens, crops, modelContext, heldContext } = size;
  const limit = chat.contextLength ?? modelContext;
  if (promptTokens >= limit) throw new ContextError(promptTokens, limit, chat.contextLength !== undefined);
  const needed = promptTokens + (ask.maxTokens ?? defaultMaxTokens);
  const grown = Math.max(defaultContext, heldContext, 2 ** Math.ceil(Math.log2(needed)));
  return {
    contextLength: chat.contextLength ?? Math.min(modelContext, grown),
    crops,
    sequences: ask.beams ?? 1,
    kvType: chat.kvType,
    prefillChunk,
  };
}
