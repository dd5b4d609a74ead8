import { answerByBeams } from "../decode/beams.js";
import { Context } from "../decode/context.js";
import { PromptLookup } from "../decode/draft.js";
import { type AnswerPiece, type FinishReason, generate, type Token } from "../decode/generate.js";
import type { SamplingOptions } from "../decode/sampling.js";
import { UsageError, UserError } from "../errors.js";
import type { Binding, KvType, MediaSlot, MemoryPlan, NativeModel, SamplerOptions } from "../native/binding.js";
import { nativeSync } from "../native/native.js";
import type { InputMessage, InputPart } from "../prompt/messages.js";
import { closeMedia, type LoadMedia, type MediaReport } from "../vision/chat-media.js";
import type { CropCache } from "../vision/encode-crops.js";
import { allCrops, encodeMedia } from "../vision/encode-media.js";
import { Answer, type AnswerResult } from "./answer.js";
import { Conversation } from "./conversation.js";
import { checkMemory } from "./memory.js";
import { type AskOptions, type ChatOptions, checkContextLength, checkOptions, defaultMaxTokens } from "./options.js";
import { planWork } from "./plan.js";
import type { Timings } from "./progress.js";
import type { PromptTools } from "./prompt-tools.js";

/** The parts of an open model that a chat uses. */
export interface Engine {
  binding: Pick<Binding, "createSampler">;
  model: NativeModel;
  tools: PromptTools;
  loadMedia: LoadMedia;
  samplingDefaults: SamplingOptions;
  loadMs: number;
  /** Opens the cache of embeddings; absent: every crop is run. */
  cache?: (() => Promise<CropCache | undefined>) | undefined;
}

/**
 * A conversation. It gives one answer at a time. Pictures are encoded once and the KV cache of earlier turns is kept, so that a further
 * question costs only what is new.
 */
export class Chat {
  readonly #engine: Engine;
  readonly #options: ChatOptions;
  readonly #conversation: Conversation;
  #pending: InputMessage[];
  #context: Context | undefined;
  #active: AsyncGenerator<AnswerPiece, AnswerResult> | undefined;
  readonly #onDispose: () => void;
  readonly #stop = new AbortController();
  #disposed = false;

  /** @internal Use Owl.chat(). */
  constructor(engine: Engine, options: ChatOptions, onDispose: () => void = () => {}) {
    this.#onDispose = onDispose;
    this.#engine = engine;
    this.#options = options;
    this.#conversation = new Conversation(engine.tools, engine.loadMedia, {
      cut: options.cut ?? true,
      video: options.video,
      allowSpecial: options.allowSpecial ?? false,
    });
    this.#pending = structuredClone([
      ...(options.system === undefined ? [] : [{ role: "system" as const, content: options.system }]),
      ...(options.messages ?? []),
    ]);
    checkContextLength(options.contextLength, engine.model.config.contextLength);
  }

  /** The turns so far. */
  get history(): { role: string; text: string; media: MediaReport[] }[] {
    return this.#conversation.messages.map(({ role, content }) => {
      const parts = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
      return {
        role,
        text: parts.map((part) => (part.type === "text" ? part.text : "")).join(""),
        media: parts.flatMap((part) => (part.type === "text" ? [] : [{ ...part.report }])),
      };
    });
  }

  /** Asks a question: a text, or parts in the order in which the model sees them. The answer is computed as it is read. */
  ask(content: string | readonly InputPart[], options: AskOptions = {}): Answer {
    const question: InputMessage = { role: "user", content: structuredClone(content) as string | InputPart[] };
    return this.#start([question], options);
  }

  /** Answers the conversation that was given in `messages`, which ends with a question. */
  answer(options: AskOptions = {}): Answer {
    return this.#start([], options);
  }

  /** Drops the last answer and answers its question again. */
  regenerate(options: AskOptions = {}): Answer {
    this.#checkFree();
    if (this.#conversation.messages.at(-1)?.role !== "assistant")
      throw new UsageError("there is no answer yet that could be given again.");
    this.#conversation.truncate(this.#conversation.length - 1);
    return this.answer(options);
  }

  /** Forgets all turns and pictures; the system message stays. */
  clear(): void {
    this.#checkFree();
    this.#pending = this.#pending.filter((message) => message.role === "system");
    this.#conversation.clear();
    this.#context?.dispose();
    this.#context = undefined;
  }

  /** Stops a running answer and frees pictures and caches. A second call does nothing. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#stop.abort(new DOMException("the chat was disposed", "AbortError"));
    // This ends an answer that nobody reads any more, and waits for one that is being computed.
    await this.#active?.return(undefined as never).catch(() => {});
    this.#conversation.truncate(0);
    this.#context?.dispose();
    this.#context = undefined;
    this.#onDispose();
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
      const prompt = await this.#prepare(given, { ...options, signal });
      const since = performance.now();
      const result = (finishReason: FinishReason): AnswerResult => ({
        text,
        finishReason,
        tokens,
        media: this.#conversation.media.map(({ report }) => ({ ...report })),
        usage: {
          promptTokens: prompt.ids.length,
          prefilledTokens: prompt.prefilled,
          crops: prompt.slots.length,
          completionTokens: tokens.length,
        },
        timings: { ...prompt.timings, decodeMs: performance.now() - since },
        memory: prompt.plan,
        seed: sampling.seed,
      });
      const decoding = this.#decode(prompt, sampling, { ...options, signal });
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
      if (this.#disposed || (tokens.length === 0 && !completed)) this.#conversation.truncate(before);
      else this.#conversation.addAnswer(text, this.#idsOf(text, tokens));
      this.#active = undefined;
    }
  }

  /** The ids of an answer, when they are exactly its text: not after a stop string or a stop in the middle of a character. */
  #idsOf(text: string, tokens: readonly Token[]): number[] | undefined {
    const stream = this.#engine.tools.stream();
    const whole = tokens.map((token) => stream.push(token.id)).join("") + stream.end();
    return whole === text ? tokens.map((token) => token.id) : undefined;
  }

  /** Renders the prompt, encodes new media and prefills new ids; `since` is the time at which the question came. */
  async #prepare(since: number, options: AskOptions): Promise<Prompt> {
    const { signal, onProgress } = options;
    const timings: Timings = { loadMs: this.#engine.loadMs, preprocessMs: 0, visionMs: 0, prefillMs: 0, decodeMs: 0 };
    let last = since;
    const lap = (): number => {
      const ms = performance.now() - last;
      last += ms;
      return ms;
    };
    const { ids, mediaOffset } = this.#conversation.render();
    timings.preprocessMs = lap();

    const plan = this.#plan(ids.length, mediaOffset.length, options);
    const media = this.#conversation.media;
    const { model, cache } = this.#engine;
    const looked = await encodeMedia(model, media, { signal, onProgress, cache, plan: plan.memory });
    if (looked > 0) timings.visionMs = lap();

    const slots: MediaSlot[] = media
      .flatMap((item) => item.encoded ?? [])
      .map((crop, i) => ({ ...crop, offset: mediaOffset[i] ?? 0 }));
    const context = this.#contextFor(plan.contextLength);
    const prefilled = await context.prefill(
      { ids, slots },
      { signal, onProgress: (n, of) => onProgress?.({ stage: "prefill", done: n, total: of }) },
    );
    timings.prefillMs = lap();
    if (options.onPrefilled)
      await options.onPrefilled({
        crops: slots.length,
        pixels: await allCrops(media, signal),
        imageEmbeds: [...new Set(slots.map((slot) => slot.embeds))].map((embeds) => embeds.toFloat32()),
        logits: context.session.logits(context.sequence),
      });
    await Promise.all(media.map(closeMedia));
    return { ids, slots, context, prefilled, plan: plan.memory, timings };
  }

  /** How long the context has to be, and the memory that the answer takes. Throws MemoryError when the machine has less. */
  #plan(promptTokens: number, crops: number, options: AskOptions): { contextLength: number; memory: MemoryPlan } {
    const { model } = this.#engine;
    const modelContext = model.config.contextLength;
    const size = { promptTokens, crops, modelContext, heldContext: this.#context?.length ?? 0 };
    const work = planWork(size, this.#options, options);
    const memory = nativeSync(() => model.plan({ ...work, kvType: this.#kvType }));
    options.onPlan?.(memory);
    checkMemory(memory, model.weightBytes);
    return { contextLength: work.contextLength, memory };
  }

  /** The chat's context; a longer one in its place when it has grown too short (its prompt is then computed again). */
  #contextFor(length: number): Context {
    if (this.#context && this.#context.length < length) {
      this.#context.dispose();
      this.#context = undefined;
    }
    this.#context ??= new Context(this.#engine.model, length, this.#kvType);
    return this.#context;
  }

  #decode(prompt: Prompt, sampling: SamplerOptions, options: AskOptions): AsyncGenerator<AnswerPiece, FinishReason> {
    const { context, ids } = prompt;
    const { tools, binding } = this.#engine;
    const maxTokens = Math.min(options.maxTokens ?? defaultMaxTokens, context.length - ids.length);
    const shared = {
      session: context.session,
      sequence: context.sequence,
      detokenizer: tools,
      eosIds: tools.eosIds,
      maxTokens,
      stop: options.stop ?? [],
      signal: options.signal,
    };
    const { beams = 1 } = options;
    if (beams > 1)
      return answerByBeams({
        ...shared,
        promptIds: ids,
        beams,
        repetitionPenalty: sampling.repetitionPenalty,
        logprobs: sampling.logprobs,
        onStep: (done) => options.onProgress?.({ stage: "beams", done, total: maxTokens }),
      });
    const sampler = nativeSync(() => binding.createSampler(sampling));
    sampler.reset(Int32Array.from(ids));
    return generate({
      ...shared,
      sampler,
      drafter: options.draft === "lookup" ? new PromptLookup(ids, tools.eosIds) : undefined,
      onAppend: (id) => context.appended(id),
    });
  }
}

interface Prompt {
  ids: number[];
  slots: MediaSlot[];
  context: Context;
  prefilled: number;
  plan: MemoryPlan;
  timings: Timings;
}
