import type { VisibleCrop } from "../decode/prefix.js";
import { UsageError } from "../errors.js";
import type { InputImage, InputMessage, InputVideo, Message, TextPart } from "../prompt/messages.js";
import { type ChatMedia, type LoadMedia, nameOf, releaseMedia } from "../vision/chat-media.js";
import type { ChatOptions } from "./options.js";
import type { OnProgress } from "./progress.js";
import { type PromptTokenizer, type Rendered, spells } from "./prompt-tokenizer.js";

/** The options of a chat that its prompt depends on. */
export type ConversationOptions = Partial<Pick<ChatOptions, "cut" | "video" | "maxPixels" | "allowSpecial">>;

/** The turns that a chat begins with besides those that it is given. */
export const openingOf = ({ system }: Partial<Pick<ChatOptions, "system">>): InputMessage[] =>
  system === undefined ? [] : [{ role: "system", content: system }];

/** The turns of a chat and the prompt that they make. */
export class Conversation {
  #turns: Message<TextPart | ChatMedia>[] = [];
  readonly #tokenizer: PromptTokenizer;
  readonly #loadMedia: LoadMedia;
  readonly #options: ConversationOptions;

  constructor(tokenizer: PromptTokenizer, loadMedia: LoadMedia, options: ConversationOptions) {
    this.#tokenizer = tokenizer;
    this.#loadMedia = loadMedia;
    const { cut, video, maxPixels, allowSpecial } = options; // those of a chat have more
    this.#options = { cut, video, maxPixels, allowSpecial };
  }

  get length(): number {
    return this.#turns.length;
  }

  get messages(): readonly Message<TextPart | ChatMedia>[] {
    return this.#turns;
  }

  /** Pictures and videos in the order of their places in the prompt. */
  get media(): ChatMedia[] {
    return this.#turns.flatMap(({ content }) =>
      typeof content === "string" ? [] : content.filter((part): part is ChatMedia => part.type !== "text"),
    );
  }

  /** Appends turns after decoding and cutting their pictures. On an error none is appended. */
  async add(
    messages: readonly InputMessage[],
    options: { signal?: AbortSignal | undefined; onProgress?: OnProgress | undefined } = {},
  ): Promise<void> {
    const wanted = messages.flatMap(mediaOf);
    const total = wanted.length;
    this.#checkMixture([...this.media, ...wanted]);
    const opened: ChatMedia[] = [];
    const open = async (part: InputImage | InputVideo, cut: boolean): Promise<ChatMedia> => {
      options.signal?.throwIfAborted();
      options.onProgress?.({ stage: "preprocess", done: opened.length, total, source: nameOf(part) });
      const media = await this.#loadMedia(part, { ...this.#options, cut, signal: options.signal });
      opened.push(media);
      return media;
    };
    try {
      const added: Message<TextPart | ChatMedia>[] = [];
      for (const message of messages) {
        const { role, content, ids } = message;
        if (typeof content === "string") {
          added.push({ role, content, ...(ids && spells(this.#tokenizer, ids, content) && { ids: [...ids] }) });
          continue;
        }
        const cut = this.#cuts(this.media.length + opened.length + mediaOf(message).length);
        const parts: (TextPart | ChatMedia)[] = [];
        for (const part of content) parts.push(part.type === "text" ? { ...part } : await open(part, cut));
        added.push({ role, content: parts });
      }
      this.#turns.push(...added);
    } catch (error) {
      for (const media of opened) releaseMedia(media);
      throw error;
    }
  }

  /**
   * Whether the pictures of a turn are cut when it brings the conversation to `media` pictures and videos. What an earlier turn was given stays as
   * it is, since its part of the prompt has been computed.
   */
  #cuts(media: number): boolean {
    return this.#options.cut ?? (this.#tokenizer.style.cut === "each" || media === 1);
  }

  #checkMixture(media: readonly { type: string }[]): void {
    const videos = media.filter(({ type }) => type === "video").length;
    if (!this.#tokenizer.style.mixed && videos > 0 && videos < media.length)
      throw new UsageError("this model takes either pictures or videos in a conversation, not both.");
  }

  /** Makes another conversation with the same turns. They share the media, each of which is decoded and encoded once. */
  fork(): Conversation {
    const fork = new Conversation(this.#tokenizer, this.#loadMedia, this.#options);
    fork.#turns = [...this.#turns];
    for (const media of this.media) media.sharers = (media.sharers ?? 0) + 1;
    return fork;
  }

  /** Appends an answer; `ids` are the ids that it was generated as. */
  addAnswer(text: string, ids: readonly number[] | undefined): void {
    this.#turns.push({ role: "assistant", content: text, ...(ids && { ids }) });
  }

  /** Removes the turns from `length` on and frees their media. */
  truncate(length: number): void {
    const dropped = new Set(this.media);
    this.#turns.length = length;
    for (const kept of this.media) dropped.delete(kept);
    for (const media of dropped) releaseMedia(media);
  }

  /** Removes all turns; a system message stays. */
  clear(): void {
    this.truncate(this.#turns[0]?.role === "system" ? 1 : 0);
  }

  /** The crops of all media, which are encoded, each visible from its `mediaOffset` on. */
  visibleCrops(mediaOffset: readonly number[]): VisibleCrop[] {
    return this.media
      .flatMap((item) => item.encoded ?? [])
      .map(({ key, embeds, crop }, i) => ({ key, embeds, crop, offset: mediaOffset[i] ?? 0 }));
  }

  /** Renders the prompt; `instruction` is appended to its system message. */
  render(instruction?: string): Rendered {
    return this.#tokenizer.render(instructed(this.#turns, instruction), {
      allowSpecial: this.#options.allowSpecial ?? false,
    });
  }
}

/** The turns with a text at the end of their system message, which is made where there is none. */
function instructed<P extends TextPart | ChatMedia>(turns: readonly Message<P>[], text?: string): Message<P>[] {
  if (text === undefined) return [...turns];
  const [first] = turns;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...turns];
  const part = { type: "text", text: `\n\n${text}` } as P;
  const content = typeof first.content === "string" ? `${first.content}\n\n${text}` : [...first.content, part];
  return [{ ...first, content }, ...turns.slice(1)];
}

function mediaOf({ content }: InputMessage): (InputImage | InputVideo)[] {
  return typeof content === "string" ? [] : content.filter((part) => part.type !== "text");
}
