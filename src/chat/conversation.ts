import type { InputMessage, Message, TextPart } from "../prompt/messages.js";
import { type ChatMedia, type LoadMedia, type LoadOptions, nameOf, releaseMedia } from "../vision/chat-media.js";
import type { OnProgress } from "./progress.js";
import type { PromptTools, Rendered } from "./prompt-tools.js";

export interface ConversationOptions extends Omit<LoadOptions, "signal"> {
  allowSpecial: boolean;
}

/** The turns of a chat, and their prompt. */
export class Conversation {
  private turns: Message<TextPart | ChatMedia>[] = [];

  constructor(
    private readonly tools: PromptTools,
    private readonly loadMedia: LoadMedia,
    private readonly options: ConversationOptions,
  ) {}

  get length(): number {
    return this.turns.length;
  }

  get messages(): readonly Message<TextPart | ChatMedia>[] {
    return this.turns;
  }

  /** Pictures and videos in the order of their places in the prompt. */
  get media(): ChatMedia[] {
    return this.turns.flatMap(({ content }) =>
      typeof content === "string" ? [] : content.filter((part): part is ChatMedia => part.type !== "text"),
    );
  }

  /** Appends turns, decoding and cutting their pictures. All or none. */
  async add(
    messages: readonly InputMessage[],
    options: { signal?: AbortSignal | undefined; onProgress?: OnProgress | undefined } = {},
  ): Promise<void> {
    const isMedia = (part: { type: string }): boolean => part.type !== "text";
    const total = messages.reduce(
      (sum, { content }) => sum + (typeof content === "string" ? 0 : content.filter(isMedia).length),
      0,
    );
    let done = 0;
    const added: Message<TextPart | ChatMedia>[] = [];
    for (const { role, content } of messages) {
      if (typeof content === "string") {
        added.push({ role, content });
        continue;
      }
      const parts: (TextPart | ChatMedia)[] = [];
      for (const part of content) {
        if (part.type === "text") {
          parts.push({ ...part });
          continue;
        }
        options.signal?.throwIfAborted();
        options.onProgress?.({ stage: "preprocess", done, total, source: nameOf(part) });
        const { cut, video } = this.options;
        parts.push(await this.loadMedia(part, { cut, video, signal: options.signal }));
        done++;
      }
      added.push({ role, content: parts });
    }
    this.turns.push(...added);
  }

  /** Appends an answer as it was generated. */
  addAnswer(text: string, ids: readonly number[] | undefined): void {
    this.turns.push({ role: "assistant", content: text, ...(ids && { ids }) });
  }

  /** Drops the turns from `length` on. */
  truncate(length: number): void {
    const dropped = new Set(this.media);
    this.turns.length = length;
    for (const kept of this.media) dropped.delete(kept);
    for (const media of dropped) releaseMedia(media);
  }

  /** Drops all turns but a system message. */
  clear(): void {
    this.truncate(this.turns[0]?.role === "system" ? 1 : 0);
  }

  render(): Rendered {
    return this.tools.render(this.turns, { allowSpecial: this.options.allowSpecial });
  }
}
