import { checkShape } from "../check.js";
import { topNeeded } from "../decode/beams.js";
import type { AnswerPiece, FinishReason, Token } from "../decode/generate.js";
import type { VisibleCrop } from "../decode/prefix.js";
import type { Sequence } from "../decode/sequence.js";
import { UsageError, UserError } from "../errors.js";
import type { KvType, MemoryPlan } from "../native/model.js";
import { nativeSync } from "../native/native.js";
import type { SamplerOptions } from "../native/session.js";
import type { InputMessage, InputPart } from "../prompt/messages.js";
import { toContent } from "../prompt/parse.js";
import { closeMedia, type MediaReport } from "../vision/chat-media.js";
import { allCrops, encodeMedia } from "../vision/encode-media.js";
import { Answer, type AnswerResult } from "./answer.js";
import { instructionOf } from "./constraints.js";
import { Conversation, openingOf } from "./conversation.js";
import { decode, type Prompt } from "./decode.js";
import { checkEngineMemory, type Engine } from "./engine.js";
import {
  type AskOptions,
  askShape,
  type ChatOptions,
  chatShape,
  checkChat,
  checkContextLength,
  checkOptions,
  defaultMaxTokens,
} from "./options.js";
import { planWork } from "./plan.js";
import type { Timings } from "./progress.js";

/**
 * A conversation. It gives one answer at a time. Pictures are encoded once, and keys and values of earlier turns are kept as long as others leave
 * room for them, so that a further question costs only what is new.
 */
export class Chat {
  readonly #engine: Engine;
  readonly #options: ChatOptions;
  #conversation: Conversation;
  #pending: InputMessage[];
  #active: AsyncGenerator<AnswerPiece, AnswerResult> | undefined;
  /** The sequence of the answer under way. */
  #sequence: Sequence | undefined;
  /** All open chats of the model. */
  readonly #chats: Set<Chat>;
  readonly #stop = new AbortController();
  #disposed = false;

  /** Use Owl.chat(). */
  constructor(engine: Engine, options: ChatOptions, chats: Set<Chat>) {
    const messages = checkChat(options, chatShape, "chat()");
    this.#chats = chats;
    this.#engine = engine;
    this.#options = options;
    this.#conversation = new Conversation(engine.tokenizer, engine.loadMedia, options);
    this.#pending = structuredClone([...openingOf(options), ...messages]);
    checkContextLength(options.contextLength, engine.model.config.contextLength);
    chats.add(this);
  }

  /** The turns so far. `ids` of an answer are those that it was generated as, if they are exactly its text. */
  get history(): { role: string; text: string; media: MediaReport[]; ids?: readonly number[] }[] {
    return this.#conversation.messages.map(({ role, content, ids }) => {
      const parts = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
      return {
        role,
        text: parts.map((part) => (part.type === "text" ? part.text : "")).join(""),
        media: parts.flatMap((part) => (part.type === "text" ? [] : [{ ...part.report }])),
        ...(ids && { ids: [...ids] }),
      };
    });
  }

  /** Opens the pictures and videos of `messages` now; else the first answer does. */
  async load(options: Pick<AskOptions, "signal" | "onProgress"> = {}): Promise<void> {
    this.#checkFree();
    const signal = AbortSignal.any([this.#stop.signal, ...(options.signal ? [options.signal] : [])]);
    const pending = this.#pending;
    this.#pending = [];
    try {
      await this.#conversation.add(pending, { ...options, signal });
    } catch (error) {
      this.#pending = pending;
      throw error;
    }
  }

  /**
   * Asks a question: a text, or parts in the order in which the model sees them. The answer is computed as it is read. Throws UsageError for
   * anything else, and for an empty question.
   */
  ask(content: string | readonly InputPart[], options: AskOptions = {}): Answer {
    const checked = toContent(content, "user", "ask()", true);
    if (checked.length === 0) throw new UsageError("ask(): the question is empty.");
    const question: InputMessage = { role: "user", content: structuredClone(checked) };
    return this.#start([question], options);
  }

  /** Answers the conversation that was given in `messages`, which ends with a question. */
  answer(options: AskOptions = {}): Answer {
    return this.#start([], options);
  }

  /** Drops the last answer and answers its question again. */
  regenerate(options: AskOptions = {}): Answer {
    this.#checkFree();
    const unread = this.#pending.length > 0;
    const last = unread ? this.#pending.at(-1) : this.#conversation.messages.at(-1);
    if (last?.role !== "assistant") throw new UsageError("there is no answer yet that could be given again.");
    if (unread) this.#pending.pop();
    else this.#conversation.truncate(this.#conversation.length - 1);
    return this.answer(options);
  }

  /**
   * Opens another chat with the same turns, which goes on by itself: for several answers to one question. Pictures and videos that are open (see load())
   * are shared, so that they are decoded and encoded once.
   */
  fork(): Chat {
    this.#checkFree();
    const fork = new Chat(this.#engine, { ...this.#options, system: undefined, messages: undefined }, this.#chats);
    fork.#conversation = this.#conversation.fork();
    fork.#pending = structuredClone(this.#pending);
    return fork;
  }

  /** Forgets all turns and pictures; the system message stays. */
  clear(): void {
    this.#checkFree();
    this.#pending = this.#pending.filter((message) => message.role === "system");
    this.#conversation.clear();
  }

  /** Stops a running answer and frees the pictures. A second call does nothing. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#stop.abort(new DOMException("the chat was disposed", "AbortError"));
    // This ends an answer that nobody reads any more, and waits for one that is being computed.
    await this.#active?.return(undefined as never).catch(() => {});
    this.#conversation.truncate(0);
    this.#chats.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #kvType(): KvType {
    return this.#options.kvType ?? this.#engine.model.defaultKvType;
  }

  #checkFree(): void {
    if (this.#disposed) throw new UserError("this chat was disposed; open another one.");
    if (this.#active) throw new UserError("an answer of this chat is under way; read it to its end or stop it first.");
  }

  #start(question: InputMessage[], options: AskOptions): Answer {
    checkShape(options, askShape, "the options of an answer");
    return new Answer(() => {
      this.#checkFree();
      this.#active = this.#answer(question, options);
      return this.#active;
    });
  }

  /** One answer from question to end. When it fails before the first token, the chat is as it was before. */
  async *#answer(question: InputMessage[], options: AskOptions): AsyncGenerator<AnswerPiece, AnswerResult> {
    let before = this.#conversation.length;
    const signal = AbortSignal.any([this.#stop.signal, ...(options.signal ? [options.signal] : [])]);
    const tokens: Token[] = [];
    let text = "";
    let completed = false;
    try {
      const sampling = checkOptions(options, this.#engine.samplingDefaults);
      const given = performance.now();
      await this.#conversation.add(this.#pending, { signal, onProgress: options.onProgress });
      this.#pending = [];
      before = this.#conversation.length;
      await this.#conversation.add(question, { signal, onProgress: options.onProgress });
      const prompt = await this.#prepare(given, sampling, { ...options, signal });
      const since = performance.now();
      const result = (finishReason: FinishReason): AnswerResult => ({
        text,
        finishReason,
        tokens,
        media: this.#conversation.media.map(({ report }) => ({ ...report })),
        usage: {
          promptTokens: prompt.ids.length,
          prefilledTokens: prompt.ids.length - prompt.sequence.shared,
          crops: prompt.crops.length,
          encodedCrops: prompt.encodedCrops,
          completionTokens: tokens.length,
        },
        timings: { ...prompt.timings, decodeMs: performance.now() - since },
        memory: prompt.memory,
        seed: sampling.seed,
      });
      const decoding = decode(this.#engine.tokenizer, prompt, sampling, { ...options, signal });
      for (;;) {
        const { done, value } = await decoding.next();
        if (done) {
          completed = true;
          return result(value);
        }
        text += value.text;
        if (value.token) tokens.push(value.token);
        yield value;
      }
    } finally {
      this.#sequence?.release();
      this.#sequence = undefined;
      if (this.#disposed || (tokens.length === 0 && !completed)) this.#conversation.truncate(before);
      else this.#conversation.addAnswer(text, this.#idsOf(text, tokens));
      this.#active = undefined;
    }
  }

  /** The ids of an answer, when they are exactly its text: not after a stop string or a stop in the middle of a character. */
  #idsOf(text: string, tokens: readonly Token[]): number[] | undefined {
    const stream = this.#engine.tokenizer.stream();
    const whole = tokens.map((token) => stream.push(token.id)).join("") + stream.end();
    return whole === text ? tokens.map((token) => token.id) : undefined;
  }

  /** Renders the prompt, encodes new media and prefills new ids; `since` is the time at which the question came. */
  async #prepare(since: number, sampling: SamplerOptions, options: AskOptions): Promise<Prompt> {
    const { signal, onProgress, onPrefilled, beams = 1 } = options;
    const { binding, loadMs } = this.#engine;
    const { tenant } = this.#options;
    const timings: Timings = { loadMs, preprocessMs: 0, visionMs: 0, prefillMs: 0, decodeMs: 0 };
    let last = since;
    const lap = (): number => {
      const ms = performance.now() - last;
      last += ms;
      return ms;
    };
    const matcher = options.format && (await this.#engine.matcher(options.format));
    const { ids, mediaOffset } = this.#conversation.render(instructionOf(options));
    timings.preprocessMs = lap();

    const { contextLength, memory } = this.#plan(ids.length, mediaOffset.length, options);
    const media = this.#conversation.media;
    const looked = await encodeMedia(this.#engine.crops, media, { signal, tenant, onProgress, plan: memory });
    if (looked.crops > 0) timings.visionMs = lap();

    const crops = this.#conversation.visibleCrops(mediaOffset);
    // Beams share the pages of the prompt but for the last, of which the prompt keeps its own.
    const forked = beams > 1 ? this.#engine.model.kvBytes(this.#kvType).page : 0;
    const bytes = memory.kvCache + memory.visualKv + forked;
    const sequence = await this.#engine.scheduler(this.#kvType).open({ ids, crops, tenant }, bytes, signal);
    this.#sequence = sequence;
    const sampler = beams > 1 ? undefined : nativeSync(() => binding.createSampler(sampling));
    nativeSync(() => sampler?.reset(Int32Array.from(ids)));
    const first = await sequence.next({
      ...(sampler ? { sampler } : { top: topNeeded({ ...sampling, beams }, ids) }),
      matcher,
      logits: onPrefilled !== undefined,
      signal,
      onProgress: (done, total) => onProgress?.({ stage: "prefill", done, total }),
    });
    timings.prefillMs = lap();
    if (onPrefilled)
      await onPrefilled({
        crops: crops.length,
        pixels: await allCrops(media, signal),
        imageEmbeds: crops.map(embedsOf),
        logits: first.logits as Float32Array,
      });
    await Promise.all(media.map(closeMedia));
    const maxTokens = Math.min(options.maxTokens ?? defaultMaxTokens, contextLength - ids.length);
    return { ids, crops, encodedCrops: looked.encoded, sequence, sampler, matcher, first, maxTokens, memory, timings };
  }

  /** How many positions the answer may take, and its memory. Throws MemoryError when the machine has less. */
  #plan(promptTokens: number, crops: number, options: AskOptions): { contextLength: number; memory: MemoryPlan } {
    const { model } = this.#engine;
    const size = { promptTokens, crops, modelContext: model.config.contextLength };
    const work = planWork(size, this.#options, options);
    const memory = nativeSync(() => model.plan({ ...work, kvType: this.#kvType }));
    options.onPlan?.(memory);
    checkEngineMemory(this.#engine, this.#kvType, memory);
    return { contextLength: work.contextLength, memory };
  }
}

/** A copy, [tokens, d]. */
function embedsOf({ embeds, crop }: VisibleCrop): Float32Array {
  const all = embeds.toFloat32();
  const size = all.length / embeds.crops;
  return all.slice(crop * size, (crop + 1) * size);
}
