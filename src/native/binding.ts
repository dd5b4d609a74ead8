/**
 * The hand-written type of the native addon (native/addon). Every function that does real work returns a promise and runs off the
 * main thread; errors carry `code` (see NativeCode in errors.ts). JavaScript validates and defaults, the border only copies.
 */

/** One metadata value of a GGUF file. 64-bit integers come as number when safe, else bigint. */
export type GgufScalar = boolean | number | bigint | string;
export type GgufMetadata = Record<string, GgufScalar | GgufScalar[]>;
export interface GgufTensorInfo {
  name: string;
  type: string; // "Q4_K"
  shape: number[]; // GGUF order: row length first
  offset: number;
  bytes: number;
}
export interface GgufInfo {
  path: string;
  version: number;
  fileBytes: number;
  metadata: GgufMetadata;
  /** How each key of `metadata` is stored. */
  types: Record<string, GgufType>;
  tensors: GgufTensorInfo[];
}

type GgufScalarType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "bool" | "string" | "u64" | "i64" | "f64";
export type GgufType = GgufScalarType | `${GgufScalarType}[]`;

/** A metadata entry to write: the GGUF type is explicit. Arrays of one element type. */
export interface GgufEntry {
  key: string;
  type: GgufType;
  value: GgufScalar | GgufScalar[];
}

/** A format of tensor data; GGML's, see native/gguf/formats. */
export interface Format {
  name: string; // "Q4_K"
  blockSize: number; // values in a block, 1 where there are none
  blockBytes: number;
  quantised: boolean;
}

export interface SafetensorsTensor {
  name: string;
  dtype: string;
  shape: number[]; // as in the file: the last dimension is the fastest
  offset: number; // from the start of the file
  bytes: number;
}

/** One tensor of a file being written: where its values come from and how they are stored. */
export interface TensorPlan {
  name: string;
  type: string; // format to store
  shape: number[]; // GGUF order, of the stored tensor
  /** Shape in GGUF order, zero-padded to the stored one; `dtype` "F32", "BF16" ... or a GGUF format; `name` is for messages. */
  source: { path: string; name: string; dtype: string; shape: number[]; offset: number };
}

/** One call at a time, but `abort` and `bytesDone` always. */
/** A tensor that is filled with random values, the same in every run: models for measurements. */
export type RandomTensorPlan = Omit<TensorPlan, "source">;

export interface NativeWriter {
  readonly fileBytes: number;
  /** Tensor bytes written so far. */
  bytesDone(): number;
  /** Reads, pads, converts and writes the next tensor of the plan, on all threads. */
  writeNext(): Promise<{ name: string; bytes: number }>;
  /** After the last tensor: flush, fsync, rename into place. */
  finish(): Promise<void>;
  /** Stops a running writeNext (which then rejects) and removes the temporary file; safe at any time and twice. */
  abort(): void;
}

export interface SystemInfo {
  /** Best instruction set here and the one in use ("scalar", "avx2", "avx512", "avx512bf16", "amx", "neon"). */
  isa: string;
  available: string[];
  physicalCores: number;
  totalMemory: number;
}

/** Peak rates of the instruction set in use, in 10^9 operations a second (a multiply-add is two); 0: it has no such products. */
export interface MachinePeaks {
  int8: number;
  bf16: number;
  fp32: number;
}

export interface ModelOptions {
  device?: "auto" | "cpu";
  threads?: number; // 0: physical cores
  precision?: "auto" | "fast" | "exact";
}

export interface NativeConfig {
  name: string;
  blockCount: number;
  hiddenSize: number;
  intermediateSize: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabSize: number; // embedding rows
  contextLength: number;
  hyperLayers: number[]; // 0-based
  cropSize: number; // pixels a side
  patchSize: number;
  cropTokens: number;
  vision: { hiddenSize: number; intermediateSize: number; blockCount: number; heads: number };
}

/** Work that memory is planned for. */
export interface Work {
  contextLength: number;
  crops: number;
  sequences: number;
  /** How keys and values are stored; undefined: {@link NativeModel.defaultKvType}. */
  kvType?: KvType | undefined;
  /** Ids that a prefill call appends at most. */
  prefillChunk: number;
}

/** The memory that some work takes, in bytes. */
export interface MemoryPlan {
  weights: number;
  kvCache: number; // text
  visualKv: number; // crops in sight
  embeds: number; // image_embeds kept
  scratch: number;
  total: number;
}

/** image_embeds of some crops, in native memory, shared by reference. */
export interface NativeEmbeds {
  readonly crops: number;
  readonly bytes: number;
  /** A copy, [crops, cropTokens, hiddenSize]: in `into`, which must have that length, or a new array. */
  toFloat32(into?: Float32Array): Float32Array;
  dispose(): void;
}

export interface NativeModel {
  readonly config: NativeConfig;
  readonly metadata: GgufMetadata;
  readonly backend: string;
  readonly threads: number;
  /** Memory of all weights. */
  readonly weightBytes: number;
  /** Those of them that a step of the language model reads. */
  readonly tokenBytes: number;
  /** What a KV cache should be unless asked otherwise: f16 for quantised files, f32 where the weights are float (see MODEL.md). */
  readonly defaultKvType: KvType;
  plan(work: Work & { kvType: KvType }): MemoryPlan;
  /** Runs vision tower and projector over uint8 RGB crops [n, s, s, 3], a few at a time with bounded scratch. */
  encode(crops: Uint8Array, n: number): Promise<NativeEmbeds>;
  /** Embeddings computed before (a cache), [n, cropTokens, hiddenSize]. */
  embedsFrom(data: Float32Array, n: number): NativeEmbeds;
  createSession(options: { contextLength: number; kvType: KvType; prefillChunk: number }): NativeSession;
  /** The memory goes once its sessions and embeddings, which stay usable, are disposed of too. */
  dispose(): void;
}

export type KvType = "f32" | "f16" | "q8_0";

/** A crop that becomes visible from position `offset` (media_offset) on: crop `crop` of `embeds`. */
export interface MediaSlot {
  offset: number;
  embeds: NativeEmbeds;
  crop: number;
}

export interface SamplerOptions {
  temperature: number; // 0: greedy
  topK: number; // 0: off
  topP: number; // 1: off
  minP: number; // 0: off
  repetitionPenalty: number; // 1: off (as in Hugging Face: prompt and answer)
  presencePenalty: number; // 0: off (as in OpenAI: the answer only)
  frequencyPenalty: number;
  seed: number; // uint32
  logprobs: number; // how many alternatives to report with each token; 0: only the token's own
}

export interface SampledToken {
  id: number;
  logprob: number; // log softmax of the raw logits
  top: { id: number; logprob: number }[];
}

/**
 * Sequences over one KV cache. A sequence is a small integer. One call at a time: while a promise of a session is pending, any other call on
 * it but dispose() is an error; dispose() then takes effect when that call ends.
 */
export interface NativeSession {
  /** A new empty sequence. */
  create(): number;
  /** A copy that shares pages of the KV cache and the visual K/V with `sequence` (copy on write). */
  fork(sequence: number): number;
  remove(sequence: number): void;
  length(sequence: number): number;
  /** Forgets all positions from `length` on, and crops that start there. */
  truncate(sequence: number, length: number): void;
  /**
   * Appends ids to a sequence, at most prefillChunk of them; `media` are crops whose offset lies in the appended range. Computes visual
   * K/V of new crops first. The last row's logits are kept for sample().
   */
  prefill(sequence: number, ids: Int32Array, media: MediaSlot[]): Promise<void>;
  /**
   * Appends a draft as prefill() does, and gives for every id of it the one with the largest logit after it: what greedy decoding would have
   * appended. truncate() what was not accepted. The last row's logits are kept.
   */
  verify(sequence: number, ids: Int32Array): Promise<Int32Array>;
  /**
   * Appends ids[0], then as many of the drafted ids after it as `sampler` draws itself, in one pass. Returns its draws, at least one: the last of
   * them is not appended, all before it are. The same draws as sample() and step() in turns.
   */
  speculate(sequence: number, ids: Int32Array, sampler: NativeSampler): Promise<SampledToken[]>;
  /** One token each appended to several sequences in one step: weights are read once. */
  step(sequences: Int32Array, ids: Int32Array): Promise<void>;
  /** Draws from the kept logits of a sequence (history: ids of the prompt and the answer, for the penalties). */
  sample(sequence: number, sampler: NativeSampler): Promise<SampledToken>;
  /** A copy of the kept logits, [vocabSize]. */
  logits(sequence: number): Float32Array;
  /** The k largest log-probabilities of the kept logits (beam search). */
  topLogprobs(sequence: number, k: number): Promise<{ id: number; logprob: number }[]>;
  /** Memory its sequences hold now: text, crops in sight, kept logits. */
  readonly bytes: number;
  dispose(): void;
}

/** Sampling state: options, random state, history of ids (those it drew are added by sample()). */
export interface NativeSampler {
  /** Ids of the prompt (for repetition penalty); drops what was there before. */
  reset(promptIds: Int32Array): void;
}

export interface Binding {
  systemInfo(): SystemInfo;
  /** Register-resident loops, a fraction of a second each. */
  measurePeaks(threads: number): Promise<MachinePeaks>;
  /** DRAM reads in GB/s, best of several passes over 1 GiB for about `seconds`. */
  measureBandwidth(threads: number, seconds: number): Promise<number>;

  /** Ends the process without waiting for native work under way; nothing buffered in JavaScript is written any more. */
  exitNow(code: number): never;

  /** PIL-exact BICUBIC of RGB8 [h, w, 3] to [outH, outW, 3]. */
  resize(rgb: Uint8Array, width: number, height: number, outWidth: number, outHeight: number): Promise<Uint8Array>;
  /** Crops of a picture as the model takes them, [n, s, s, 3]: the cells of grid rows x cols, then the global view; only that with null. */
  cutImage(
    rgb: Uint8Array,
    width: number,
    height: number,
    s: number,
    grid: [number, number] | null,
  ): Promise<Uint8Array>;

  /** The formats of tensor data that are read and written, all of them. */
  formats(): Format[];
  readGguf(path: string): Promise<GgufInfo>;
  readSafetensors(path: string): Promise<SafetensorsTensor[]>;
  /**
   * Writes to `path`.partial; nothing appears at `path` before finish(). Creates the temporary file at once, so that abort() can be called
   * whenever it is there. `threads` 0: one for each core.
   */
  createWriter(
    path: string,
    entries: GgufEntry[],
    tensors: (TensorPlan | RandomTensorPlan)[],
    threads: number,
  ): NativeWriter;

  openModel(path: string, options: ModelOptions): Promise<NativeModel>;
  /** What {@link NativeModel.plan} gives once the model is open, from the header of its file alone. */
  planModel(path: string, options: ModelOptions, work: Work): Promise<MemoryPlan>;
  createSampler(options: SamplerOptions): NativeSampler;
}
