import type { Detokenizer } from "../decode/generate.js";
import type { GgufMetadata } from "../native/gguf.js";
import { encodePrompt } from "../prompt/encode.js";
import type { Message } from "../prompt/messages.js";
import { type PromptStyle, promptStyle } from "../prompt/style.js";
import { renderMessages } from "../prompt/template.js";
import { Tokenizer } from "../prompt/tokenizer.js";

export interface Rendered {
  prompt: string;
  ids: number[];
  /** The index of each placeholder's first id (media_offset). */
  mediaOffset: number[];
}

/** The template and the tokenizer of a model file. */
export interface PromptTokenizer extends Detokenizer {
  readonly eosIds: ReadonlySet<number>;
  readonly style: PromptStyle;
  render(messages: readonly Message[], options: { allowSpecial: boolean }): Rendered;
  /** The bytes of all tokens that a text may have, and where those of each id begin. */
  tokenBytes(): { bytes: Uint8Array; starts: Int32Array };
  /** The bytes of one token, which need not be whole characters. */
  bytes(id: number): Uint8Array;
  /** The ids of an answer's text. */
  encode(text: string): number[];
}

/** Makes the prompt tokenizer of a model file; `path` is for messages. Throws ModelFileError when its tokenizer or its template is damaged. */
export function promptTokenizer(metadata: GgufMetadata, path: string): PromptTokenizer {
  const tokenizer = Tokenizer.fromMetadata(metadata, path);
  const style = promptStyle(metadata, path);
  return {
    eosIds: new Set(tokenizer.stopIds),
    style,
    render: (messages, { allowSpecial }) => {
      const chunks = renderMessages(messages, { allowSpecial, template: style.template });
      const { text, ids, mediaOffset } = encodePrompt(chunks, tokenizer);
      return { prompt: text, ids, mediaOffset };
    },
    tokenBytes: () => tokenizer.tokenBytes(),
    encode: (text) => tokenizer.encodeText(text),
    stream: () => tokenizer.stream(),
    bytes: (id) => tokenizer.bytes(id),
    text: (id) => tokenizer.tokenText(id),
  };
}

/** Whether ids are tokens of text whose text is `text`: ids from elsewhere may be no tokens at all, or special ones, which spell nothing. */
export function spells(tokenizer: Detokenizer, ids: readonly number[], text: string): boolean {
  const stream = tokenizer.stream();
  const alone = tokenizer.stream();
  let whole = "";
  for (const id of ids) {
    if (alone.push(id) + alone.end() === "") return false;
    whole += stream.push(id);
  }
  return whole + stream.end() === text;
}
