import { type Chunk, promptText, slotText } from "./template.js";
import type { Tokenizer } from "./tokenizer.js";

export interface EncodedPrompt {
  ids: number[];
  /** For each slot, in order, the index in `ids` at which it starts: from there on its crop is visible. */
  mediaOffset: number[];
  /** The rendered prompt, to be shown. */
  text: string;
}

/**
 * Ids of a rendered conversation. Each chunk is tokenized by itself. A slot is only what a media part put there: a `<|image|>` that somebody
 * typed has the same ids, since they are its ordinary tokens, but gets no offset, so no picture attaches to it, and it does not split the
 * text around it.
 */
export function encodePrompt(chunks: readonly Chunk[], tokenizer: Tokenizer): EncodedPrompt {
  const ids: number[] = [];
  const mediaOffset: number[] = [];
  const slot = tokenizer.encode([{ text: slotText, special: false }]);
  for (const chunk of chunks) {
    if (chunk.kind === "slot") mediaOffset.push(ids.length);
    const more = chunk.kind === "slot" ? slot : chunk.kind === "ids" ? chunk.ids : tokenizer.encode(chunk.segments);
    for (const id of more) ids.push(id);
  }
  return { ids, mediaOffset, text: promptText(chunks) };
}
