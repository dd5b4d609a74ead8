import { type Chunk, placeholder, promptText } from "./template.js";
import type { Tokenizer } from "./tokenizer.js";

export interface EncodedPrompt {
  ids: number[];
  /** The index in `ids` at which each placeholder starts, in order. */
  mediaOffset: number[];
  /** The rendered prompt as readable text. */
  text: string;
}

/**
 * Tokenizes a rendered conversation, each chunk by itself. Only media parts make placeholders: a `<|image|>` that somebody typed has the same ids,
 * since they are its ordinary tokens, but gets no offset, so that no picture belongs to it, and it does not split the text around it.
 */
export function encodePrompt(chunks: readonly Chunk[], tokenizer: Tokenizer): EncodedPrompt {
  const ids: number[] = [];
  const mediaOffset: number[] = [];
  const placeholderIds = tokenizer.encode([{ text: placeholder, special: false }]);
  for (const chunk of chunks) {
    if (chunk.kind === "placeholder") mediaOffset.push(ids.length);
    const more =
      chunk.kind === "placeholder"
        ? placeholderIds
        : chunk.kind === "ids"
          ? chunk.ids
          : tokenizer.encode(chunk.segments);
    for (const id of more) ids.push(id);
  }
  return { ids, mediaOffset, text: promptText(chunks) };
}
