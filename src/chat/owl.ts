import { stat } from "node:fs/promises";
import { checkShape, kinds, oneOf, type Shape, shown } from "../check.js";
import { type SamplingOptions, samplingDefaults } from "../decode/sampling.js";
import { FileError, FolderError, MemoryError, systemReason, UsageError, UserError } from "../errors.js";
import { formatBytes } from "../format.js";
import { videoShape } from "../media/frames.js";
import { resolveModel } from "../models/resolve.js";
import type { Binding } from "../native/binding.js";
import type { GgufMetadata } from "../native/gguf.js";
import type { ModelOptions, NativeConfig } from "../native/model.js";
import { native, nativeSync } from "../native/native.js";
import type { InputMedium, InputMessage } from "../prompt/messages.js";
import { messagesOf, toContent } from "../prompt/parse.js";
import { packageVersion } from "../version.js";
import { EmbeddingCache } from "../vision/cache.js";
import type { LoadMedia } from "../vision/chat-media.js";
import type { CropCache } from "../vision/crops.js";
import { mediaLoader } from "../vision/load.js";
import { hashVisionWeights } from "../vision/weights-hash.js";
import { Chat } from "./chat.js";
import { createEngine, type Engine, type MemoryUse } from "./engine.js";
import { type FindOptions, findMoments, findShape, type Moment } from "./find.js";
import { loadModel } from "./load.js";
import { memoryLimits, usesDevices } from "./memory.js";
import { askShape, type ChatOptions, chatShape, checkChat } from "./options.js";
import { placeOf } from "./plan.js";
import { type Preview, type PreviewOptions, preview } from "./preview.js";
import type { OnProgress } from "./progress.js";
import { type PromptTokenizer, promptTokenizer } from "./prompt-tokenizer.js";
import { type ScoreOptions, type Scores, scoreCandidates, scoreShape, scoreYesNo, type YesNoScores } from "./score.js";

export interface OwlOptions extends ModelOptions {
  /** Keep embeddings of crops on disk and look there first (see EmbeddingCache); default: false. */
  cache?: boolean | undefined;
  /** Keep the weights on disk as the engine repacks them, so that the next start is quick (see RepackCache); default: false. */
  repackCache?: boolean | undefined;
  onProgress?: OnProgress | undefined;
}

const owlShape: Shape<OwlOptions> = {
  device: kinds.text,
  gpuLayers: kinds.number,
  placedFor: kinds.object,
  threads: kinds.number,
  precision: oneOf("auto", "fast", "exact"),
  weightsCopy: kinds.text,
  cache: kinds.flag,
  repackCache: kinds.flag,
  onProgress: kinds.callback,
};

/** An open model. */
export class Owl {
  readonly path: string;
  readonly #engine: Engine;
  readonly #chats = new Set<Chat>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #finding = new Set<AsyncGenerator<Moment, void, void>>();
  readonly #stop = new AbortController();
  #disposed = false;

  private constructor(path: string, engine: Engine) {
    this.path = path;
    this.#engine = engine;
  }

  /**
   * Opens a model: a GGUF file, or by its name ("demo", "7b", "OWNER/NAME") one that `owl3 pull` has fetched. Throws FileError, ModelFileError,
   * MemoryError or UsageError.
   */
  static async open(model: string, options: OwlOptions = {}): Promise<Owl> {
    checkModel(model, "open()");
    checkShape(options, owlShape, "the options of open()");
    return Owl.openWith(native(), await resolveModel(model), options);
  }

  /**
   * Previews a run of a GGUF model without reading its weights: returns the prompt, its ids, a report of the media and the planned memory.
   * `messages` must end with a question. Throws every error that the run would throw before it computes anything, except MemoryError.
   */
  static async preview(
    model: string,
    messages: readonly InputMessage[],
    options: PreviewOptions = {},
  ): Promise<Preview> {
    checkModel(model, "preview()");
    checkChat(options, { ...owlShape, ...chatShape, ...askShape }, "the options of preview()");
    return preview(native(), await resolveModel(model), messagesOf(messages, "preview()", true), options);
  }

  /** @internal Tests open a model with another engine or media decoder. */
  static async openWith(
    binding: Binding,
    path: string,
    options: OwlOptions = {},
    replace: { loadMedia?: LoadMedia; tokenizer?: PromptTokenizer } = {},
  ): Promise<Owl> {
    const started = performance.now();
    await checkFile(path);
    const place = placeOf(options);
    const { placedFor } = place;
    const model = await loadModel(binding, path, place, options);
    try {
      const plan = nativeSync(() => model.plan({ ...placedFor, kvType: placedFor.kvType ?? model.defaultKvType }));
      if (usesDevices(plan)) options.onProgress?.({ stage: "placed", plan });
      const { metadata } = model; // each reading converts it anew
      const engine = createEngine({
        binding,
        model,
        tokenizer: replace.tokenizer ?? promptTokenizer(metadata, path),
        loadMedia: replace.loadMedia ?? mediaLoader(binding, model.config.cropSize),
        samplingDefaults: samplingDefaults(metadata),
        loadMs: performance.now() - started,
        cache: options.cache ? cropCache(binding, path, `${model.backend} ${place.precision}`) : undefined,
      });
      return new Owl(path, engine);
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  get config(): NativeConfig {
    return this.#engine.model.config;
  }
  get metadata(): GgufMetadata {
    return this.#engine.model.metadata;
  }
  /** The device and its instruction set, such as "cpu (avx512)". */
  get backend(): string {
    return this.#engine.model.backend;
  }
  get weightBytes(): number {
    return this.#engine.model.weightBytes;
  }
  /** The memory that answers take beside the weights. */
  memoryUse(): MemoryUse {
    return this.#engine.memoryUse();
  }
  /** The UTF-8 bytes of a token; they need not be whole characters. */
  tokenBytes(id: number): Uint8Array {
    return this.#engine.tokenizer.bytes(id);
  }
  /** The sampling defaults of the file. */
  get samplingDefaults(): SamplingOptions {
    return { ...this.#engine.samplingDefaults };
  }

  /**
   * Starts a conversation. Several may be open and ask at the same time: their answers share the passes of the model, which is faster than one
   * after the other, and none of them changes by it.
   */
  chat(options: ChatOptions = {}): Chat {
    if (this.#disposed) throw new UserError("this model was disposed; open it again.");
    return new Chat(this.#engine, options, this.#chats);
  }

  /**
   * Computes how probable given answers to a conversation are, which ends with a question. Candidates share the computation of the prompt and
   * go through the model together. Several calls may run at the same time, beside chats.
   */
  score(messages: readonly InputMessage[], candidates: readonly string[], options: ScoreOptions = {}): Promise<Scores> {
    return this.#run(options, (signal) => {
      checkChat(options, scoreShape, "the options of score()");
      if (!kinds.texts.is(candidates)) throw new UsageError("score(): the candidates must be a list of strings.");
      const checked = structuredClone(messagesOf(messages, "score()", true));
      return scoreCandidates(this.#engine, checked, candidates, { ...options, signal });
    });
  }

  /** Computes how probable yes and no are as answers to a conversation, which ends with a question of yes or no (see yesNo()). */
  yesNo(messages: readonly InputMessage[], options: Omit<ScoreOptions, "end" | "letters"> = {}): Promise<YesNoScores> {
    return this.#run(options, (signal) => {
      checkChat(options, scoreShape, "the options of yesNo()");
      const checked = structuredClone(messagesOf(messages, "yesNo()", true));
      return scoreYesNo(this.#engine, checked, { ...options, signal });
    });
  }

  /**
   * Asks of each window of a clip whether it shows something, and gives the windows in the order of time; rankByProbability() and joinSpans() make an answer of
   * them. The work is done as they are read.
   */
  async *find(clip: InputMedium, text: string, options: FindOptions = {}): AsyncGenerator<Moment, void, void> {
    checkShape(options, findShape, "the options of find()");
    checkShape(options.video, videoShape, "the options of find(): video");
    if (!kinds.text.is(text) || text === "") throw new UsageError("find(): what is looked for must be a string.");
    if (!kinds.object.is(clip))
      throw new UsageError(`find(): the clip must be an object with a path or data, not ${shown(clip)}.`);
    toContent([{ ...clip, type: "video" }], "user", "find()", true);
    const moments = findMoments(this.#engine, structuredClone(clip), text, options, this.#signal(options.signal));
    this.#finding.add(moments);
    try {
      yield* moments;
    } finally {
      this.#finding.delete(moments);
    }
  }

  async #run<T>(options: ScoreOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    checkShape(options.signal && { signal: options.signal }, { signal: kinds.signal }, "the options");
    const running = work(this.#signal(options.signal));
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** Aborted with the given one, and when the model is disposed of. Throws UserError when it was. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    if (this.#disposed) throw new UserError("this model was disposed; open it again.");
    return AbortSignal.any([this.#stop.signal, ...(given ? [given] : [])]);
  }

  /** Ends its chats and scores and frees the weights. A second call does nothing. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#stop.abort(new DOMException("the model was disposed", "AbortError"));
    await Promise.all([...this.#chats].map((chat) => chat.dispose()));
    await Promise.allSettled([...this.#running, ...[...this.#finding].map((moments) => moments.return())]);
    this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function checkModel(model: unknown, where: string): void {
  if (typeof model !== "string" || model === "")
    throw new UsageError(
      `${where}: the model must be the path of a GGUF file or the name of a model, not ${shown(model)}.`,
    );
}

/** Opens the cache lazily; if it cannot be opened, encoding proceeds uncached. */
function cropCache(binding: Binding, path: string, arithmetic: string): () => Promise<CropCache | undefined> {
  const store = new EmbeddingCache();
  let opened: Promise<CropCache | undefined> | undefined;
  const open = async (): Promise<CropCache> => ({
    store,
    weights: await store.weightsHash(path, () => hashVisionWeights(binding, path)),
    // Another version of the kernels may round differently, so each version has its own entries.
    arithmetic: `${packageVersion()} ${arithmetic}`,
  });
  return () => {
    if (store.limit === 0) return Promise.resolve(undefined);
    opened ??= open().catch(() => undefined);
    return opened;
  };
}

/** Refuses a path that can be no model before its file is read. Throws FileError, FolderError or MemoryError. */
async function checkFile(path: string): Promise<void> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" || error.code === "ENOTDIR"
      ? new FileError(`${path}: no such file.`, { cause: error })
      : new FileError(`${path} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  if (info.isDirectory()) throw new FolderError(path);
  const { total } = memoryLimits();
  if (info.size > total)
    throw new MemoryError(`${path} is ${formatBytes(info.size)} and the machine has ${formatBytes(total)} of memory.`, {
      of: "model",
      needed: info.size,
      available: total,
    });
}
