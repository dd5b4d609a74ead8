import { UsageError } from "../errors.js";
import type { MediaPart, Message, Part } from "./messages.js";
import { defaultStyle, type PromptStyle } from "./style.js";

/** The text of a crop's placeholder. To the tokenizer it is ordinary text: only a media part makes a placeholder of it. */
export const placeholder = "<|image|>";

/** A piece of text; special tokens such as turn markers are recognised in it only if `special` is set. */
export interface Segment {
  text: string;
  special: boolean;
}

/** A unit that is tokenized by itself: text, the placeholder of one crop, or an answer that was generated here and keeps its ids. */
export type Chunk =
  | { kind: "text"; segments: Segment[] }
  | { kind: "placeholder" }
  | { kind: "ids"; ids: readonly number[]; text: string };

export interface RenderOptions {
  /** Whether special tokens in texts act as such, as in the reference implementation; by default they are plain text. */
  allowSpecial?: boolean;
  /** The text around crops; default: v3. */
  template?: PromptStyle["template"];
}

/**
 * Renders a conversation by the chat template as the chunks that the model was trained with, up to the place where the next answer begins.
 * The last message must be the user's. An answer and a further question append chunks and leave the earlier ones unchanged.
 */
export function renderMessages(messages: readonly Message[], options: RenderOptions = {}): Chunk[] {
  const special = options.allowSpecial ?? false;
  const out = new ChunkList(options.template ?? defaultStyle.template);
  if (messages[0]?.role !== "system") out.template("<|im_start|>system\n<|im_end|>").close();
  const last = messages.length - 1;
  messages.forEach((message, i) => {
    if (i === last && message.role !== "user") throw new UsageError("the last message must be the user's");
    if (message.role === "user") {
      out.template("\n<|im_start|>user\n");
      for (const part of partsOf(message)) out.part(part, special);
      out.template("<|im_end|>").close();
      return;
    }
    const text = textOf(message);
    if (message.role === "system") {
      out.template("<|im_start|>system\n").text(text, special).template("<|im_end|>").close();
    } else {
      out.template("\n<|im_start|>assistant\n").close();
      if (message.ids) out.ids(message.ids, text);
      else out.text(text, special);
      out.template("<|im_end|>").close();
      out.template("<|endoftext|>").close();
    }
  });
  if (last < 0) throw new UsageError("the conversation holds no message");
  out.template("\n<|im_start|>assistant\n").close();
  return out.chunks;
}

/** The rendered prompt as readable text. */
export function promptText(chunks: readonly Chunk[]): string {
  return chunks
    .map((chunk) => {
      if (chunk.kind === "placeholder") return placeholder;
      return chunk.kind === "ids" ? chunk.text : chunk.segments.map((s) => s.text).join("");
    })
    .join("");
}

function partsOf(message: Message): readonly Part[] {
  return typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
}

function textOf(message: Message): string {
  return partsOf(message)
    .map((part) => {
      if (part.type === "text") return part.text;
      throw new UsageError(`pictures and videos can only stand in a user's message, not in the ${message.role}'s`);
    })
    .join("");
}

/** Collects segments into chunks: a placeholder or `close` ends a chunk of text. */
class ChunkList {
  readonly chunks: Chunk[] = [];
  readonly #template: PromptStyle["template"];
  #segments: Segment[] = [];

  constructor(template: PromptStyle["template"]) {
    this.#template = template;
  }

  template(text: string): this {
    this.#segments.push({ text, special: true });
    return this;
  }

  text(text: string, special: boolean): this {
    if (special && text.includes(placeholder))
      throw new UsageError(
        `with special tokens allowed, every ${placeholder} in a text must stand for a picture that is given`,
      );
    if (text) this.#segments.push({ text, special });
    return this;
  }

  ids(ids: readonly number[], text: string): this {
    this.close();
    this.chunks.push({ kind: "ids", ids, text });
    return this;
  }

  part(part: Part, special: boolean): void {
    if (part.type === "text") this.text(part.text, special);
    else if (part.type === "image" && !part.grid) this.#placeholder();
    else if (this.#template === "v2") this.#partV2(part);
    else this.#partV3(part);
  }

  #partV3(part: MediaPart): void {
    if (part.type === "video") {
      this.template("<|start_video_frame|>");
      for (let i = 0; i < part.frameCount; i++) this.#placeholder();
      this.template("<|end_video_frame|>");
    } else if (part.grid) {
      const [rows, columns] = part.grid;
      this.template(`<|start_cut|>${rows}*${columns}\n`);
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) this.#placeholder().template(c + 1 < columns ? " " : "\n");
      this.#placeholder().template("<|end_cut|>");
    }
  }

  #partV2(part: MediaPart): void {
    if (part.type === "video") for (let i = 0; i < part.frameCount; i++) this.#placeholder();
    else if (part.grid) {
      const [rows, columns] = part.grid;
      this.template(`Cut to ${rows} rows ${columns} columns with a global view\n`);
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++)
          this.template(`subimg(${r},${c})`)
            .#placeholder()
            .template(c + 1 < columns ? " " : "\n");
      this.template("global_view").#placeholder();
    }
  }

  close(): this {
    if (this.#segments.length) this.chunks.push({ kind: "text", segments: this.#segments });
    this.#segments = [];
    return this;
  }

  #placeholder(): this {
    this.close();
    this.chunks.push({ kind: "placeholder" });
    return this;
  }
}
