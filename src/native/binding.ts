/**
 * The hand-written type of the native addon (native/addon). Every function that does real work returns a promise and runs off the
 * main thread; errors carry `code` (see NativeCode in errors.ts). JavaScript validates and defaults, the border only copies.
 */

import type { NativeMatcher, NativeVocabulary, VocabularyTokens } from "./constraint.js";

/** One metadata value of a GGUF file. A 64-bit integer is a number where that is exact, else a bigint. */
export type GgufScalar = boolean | number | bigint | string;
export type GgufMetadata = Record<string, GgufScalar | GgufScalar[]>;
export interface GgufTensorInfo {
  name: string;
  /** The name of its format, such as "Q4_K". */
  type: string;
  /** In GGUF's order: the row length comes first. */
  shape: number[];
  /** Bytes from the start of the file. */
  offset: number;
  bytes: number;
}
export interface GgufInfo {
  path: string;
  version: number;
  fileBytes: number;
  metadata: GgufMetadata;
  /** The GGUF type of each key of `metadata`. */
  types: Record<string, GgufType>;
  tensors: GgufTensorInfo[];
}

type GgufScalarType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "bool" | "string" | "u64" | "i64" | "f64";
export type GgufType = GgufScalarType | `${GgufScalarType}[]`;

/** A metadata entry to write, with its GGUF type. All elements of an array have one type. */
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
  /** As in the file: the last dimension varies fastest. */
  shape: number[];
  /** Bytes from the start of the file. */
  offset: number;
  bytes: number;
}

/** A tensor to write: where its values come from and how they are stored. */
export interface TensorPlan {
  name: string;
  /** The format to store it in. */
  type: string;
  /** The stored shape, in GGUF's order. */
  shape: number[];
  /**
   * The values to read: `shape` is in GGUF's order and is zero-padded to the stored one; `dtype` is "F32", "BF16", ... or a GGUF format; `name`
   * is used in messages.
   */
  source: { path: string; name: string; dtype: string; shape: number[]; offset: number };
}

/** A tensor to fill with random values, which are the same in every run; models for measurements are made of them. */
export type RandomTensorPlan = Omit<TensorPlan, "source">;

/** Writes a GGUF file. One call may run at a time; `abort` and `bytesDone` may be called during it. */
export interface NativeWriter {
  readonly fileBytes: number;
  /** Tensor bytes that have been written. */
  bytesDone(): number;
  /** Reads, pads, converts and writes the next tensor of the plan, on all threads. */
  writeNext(): Promise<{ name: string; bytes: number }>;
  /** Call it after the last tensor: it flushes, syncs and renames the file into place. */
  finish(): Promise<void>;
  /** Stops a running writeNext, which then rejects, and removes the temporary file. It may be called at any time, and twice. */
  abort(): void;
}

export interface SystemInfo {
  /** The instruction set in use: "scalar", "avx2", "avxvnni", "avx512", "avx512bf16", "amx", "neon" or "i8mm". */
  isa: string;
  /** The instruction sets that this machine has. */
  available: string[];
  physicalCores: number;
  totalMemory: number;
  /** Devices that a model can be put on, and known ones that are absent, each with the reason. */
  devices: DeviceInfo[];
}

export interface DeviceInfo {
  /** The name that options take: "cpu", "cuda:0". */
  id: string;
  /** A name for people: "amx, 2 cores". */
  name: string;
  usable: boolean;
  /** One sentence saying why it can't be used; empty when it can. */
  reason: string;
  /** Bytes; 0 when unknown. */
  totalMemory: number;
  freeMemory: number;
}

/** Peak rates of the instruction set in use, in 10^9 operations a second; a multiply-add counts as two. 0: it has no such products. */
export interface MachinePeaks {
  int8: number;
  bf16: number;
  fp32: number;
}

export interface ModelOptions {
  /**
   * The devices that hold the layers, in this order: "auto", "cpu", "cuda:0,cuda:1". Those with memory of their own share the layers in proportion to
   * it, and the CPU takes what is left. "auto" is every GPU that can be used and the CPU; systemInfo() lists what there is.
   */
  device?: string;
  /** The layers that devices with memory of their own take together, the CPU having the others; undefined or -1: as many as fit. */
  gpuLayers?: number | undefined;
  /** The work that must fit beside the weights where layers are shared out; undefined: a conversation with some pictures. */
  placedFor?: Work | undefined;
  /** 0: one thread for each physical core. */
  threads?: number;
  precision?: "auto" | "fast" | "exact";
  /**
   * Keep the weights in a file that begins with this path, as the engine packs them, and take them from there the next time. Only a device that
   * holds all layers does so. What is wrong with the file or its folder costs time only.
   */
  weightsCopy?: string;
}

/**
 * A hyper layer has one softmax over text and pictures (241101), or two and a gate between them, which each head's text computes (240728) or which
 * was learnt for each channel (241014).
 */
export type HyperKind = "fused" | "gated_head" | "gated_channel";

export interface NativeConfig {
  name: string;
  numLayers: number;
  hiddenSize: number;
  intermediateSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  /** Rows of the token embedding. */
  vocabSize: number;
  contextLength: number;
  /** Indices of the layers with hyper attention, counted from 0. */
  hyperLayers: number[];
  hyperKind: HyperKind;
  /** Side of a crop, in pixels. */
  cropSize: number;
  patchSize: number;
  cropTokens: number;
  vision: { hiddenSize: number; intermediateSize: number; numLayers: number; numHeads: number };
}

/** Work that memory is planned for. */
export interface Work {
  contextLength: number;
  crops: number;
  sequences: number;
  /** How keys and values are stored; undefined: the default of the model. */
  kvType?: KvType | undefined;
  /** Ids that a prefill call appends at most. */
  prefillChunk: number;
  /** Rows of a pass whose logits are wanted; undefined: one for each sequence. */
  logitRows?: number | undefined;
}

/** Memory that some work takes, in bytes. */
export interface MemoryPart {
  weights: number;
  /** Keys and values of the text. */
  kvCache: number;
  /** Keys and values of the visible crops. */
  visualKv: number;
  /** The image_embeds that are kept. */
  embeds: number;
  scratch: number;
  total: number;
}

/** The part of one device. */
export interface DevicePart extends MemoryPart {
  /** Its name in options: "cuda:0". */
  device: string;
  /** And what it is: "cuda:0 (NVIDIA H100)". */
  name: string;
  /** The layers of the language model that stand there. */
  layers: number;
  /** Bytes of it that are free now; 0 where the device has no memory of its own. */
  freeMemory: number;
  /** Bytes of the scratch that the device has already, and that are not among the free ones. */
  heldScratch: number;
}

/** The memory that some work takes on all devices together, and on each. */
export interface MemoryPlan extends MemoryPart {
  /** In the order of the layers; the last one is the CPU, whose memory is the machine's. */
  devices: DevicePart[];
}

/** The image_embeds of some crops. They stay in native memory and are shared by reference. */
export interface NativeEmbeds {
  readonly crops: number;
  readonly bytes: number;
  /** Copies them, [crops, cropTokens, hiddenSize], to `into`, which must have that length, or to a new array. */
  toFloat32(into?: Float32Array): Float32Array;
  dispose(): void;
}

export interface NativeModel {
  readonly config: NativeConfig;
  readonly metadata: GgufMetadata;
  readonly backend: string;
  readonly threads: number;
  /** Bytes of all weights in memory. */
  readonly weightBytes: number;
  /** Those of them that are mapped from such a file: the system counts them as cache, not as memory of the process. */
  readonly mappedBytes: number;
  /** Bytes of the weights that one decoding step reads. */
  readonly tokenBytes: number;
  /** The default type of a KV cache: f16 for quantised files, f32 where the weights are float (see MODEL.md). */
  readonly defaultKvType: KvType;
  plan(work: Work & { kvType: KvType }): MemoryPlan;
  /** Runs the vision tower and the projector over uint8 RGB crops [n, cropSize, cropSize, 3], a few at a time with bounded scratch. */
  encode(crops: Uint8Array, n: number): Promise<NativeEmbeds>;
  /**
   * The share of the running encode() that the device was given, from 0 to 1, layer by layer; 0 while none runs. The CPU has computed what it was
   * given; another device may be behind.
   */
  readonly encodedShare: number;
  /** Takes embeddings that were computed before, [n, cropTokens, hiddenSize]. */
  embedsFrom(data: Float32Array, n: number): NativeEmbeds;
  /** Memory of one page of text (pagePositions positions, all layers) and of one crop's visual keys and values, in bytes. */
  kvBytes(kvType: KvType): { page: number; pagePositions: number; crop: number };
  createSession(options: {
    /** Positions a sequence may have, at most the model's. */
    contextLength: number;
    kvType: KvType;
    /** Rows that a pass may have at most. */
    prefillChunk: number;
    /** Pages that all sequences may hold together; absent: no limit. An advance() that needs more is refused (out_of_memory) before any work. */
    pages?: number;
  }): NativeSession;
  /** Its sessions and embeddings stay usable; the memory is freed once they are disposed of, too. */
  dispose(): void;
}

export type KvType = "f32" | "f16" | "q8_0";

/** Crop `crop` of `embeds`, whose placeholder's first token stands at position `offset`: the text sees it from there on, or from the next position. */
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
  /** Whether a device has begun with its row: the next part costs nothing more if it is this id alone. */
  begun: boolean;
}

/** The part that one sequence has in a pass. */
export interface AdvancePart {
  sequence: number;
  /** Ids to append, at least one: a chunk of a prompt, the last token of an answer, or that and a draft after it. */
  ids: Int32Array;
  /** Crops that become visible among the appended positions: each offset lies among them. */
  media?: MediaSlot[];
  /**
   * Draws what follows the last id. With `drafted` the last so many ids are guesses: the sampler draws after the last certain id, then after each
   * guess for as long as it drew that very guess itself; guesses that it did not draw are taken off the sequence again.
   */
  sampler?: NativeSampler;
  drafted?: number;
  /** The sampler draws, and `top` reports, only ids that may come next; those that are drawn are taken by the matcher. */
  matcher?: NativeMatcher;
  /**
   * Whether the next part of this sequence will probably be the id that is drawn, drawn from by the same sampler: a device may begin with that row
   * before its id is known here. It changes no result, and costs a row's computation where the guess was wrong.
   */
  goesOn?: boolean;
  /** How many of the largest log-probabilities after the last id to report (beam search). */
  top?: number;
  /** Whether a copy of the logits after the last id is wanted. */
  logits?: boolean;
  /** For each of the last rows, in order, the ids whose log-probabilities after it are wanted; not together with a sampler. */
  targets?: Int32Array[];
}

export interface Advanced {
  /** One with a sampler; with a draft up to drafted + 1. All but the last are on the sequence. */
  drawn: SampledToken[];
  top: { id: number; logprob: number }[];
  /** The log-probabilities of all targets, row by row. */
  scores?: Float32Array;
  logits?: Float32Array;
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
  /** Forgets all positions from `length` on, and crops whose placeholders start there. */
  truncate(sequence: number, length: number): void;
  /**
   * One pass over the rows of all parts (different sequences; at most prefillChunk rows together): weights are read once. Prefill and decode rows mix
   * freely, and every row gets the bits that it would get alone. After an error the sequences are as they were.
   */
  advance(parts: AdvancePart[]): Promise<Advanced[]>;
  /** Pages that sequences hold now (a shared one counts once). */
  readonly pagesInUse: number;
  /** Memory its sequences hold now: text and crops in sight. */
  readonly bytes: number;
  dispose(): void;
}

/** Sampling state: options, random state, history of ids (those it drew are added by sample()). */
export interface NativeSampler {
  /** Ids of the prompt (for repetition penalty); drops what was there before. */
  reset(promptIds: Int32Array): void;
}

/** How far {@link Binding.openModel} is with the weights, in bytes as the devices hold them. */
export interface NativeLoading {
  /** Bytes that were handed to the devices so far; never falls, and ends at `total`. */
  readonly bytes: number;
  /** 0 until the file's header was read. */
  readonly total: number;
}

export interface Binding {
  systemInfo(): SystemInfo;
  /** Measures peak rates by loops over registers, which take a fraction of a second each. */
  measurePeaks(threads: number): Promise<MachinePeaks>;
  /** Measures DRAM reads in GB/s: the best of several passes over 1 GiB, for about `seconds`. */
  measureBandwidth(threads: number, seconds: number): Promise<number>;

  /** Ends the process without waiting for native work; what is buffered in JavaScript is not written. */
  exitNow(code: number): never;

  /** Resizes RGB8 [height, width, 3] to [outHeight, outWidth, 3] by bicubic interpolation, byte for byte as PIL does. */
  resize(rgb: Uint8Array, width: number, height: number, outWidth: number, outHeight: number): Promise<Uint8Array>;
  /** Cuts a picture into crops [n, cropSize, cropSize, 3]: the cells of the grid [rows, columns], then the global view; without a grid only that. */
  cutImage(
    rgb: Uint8Array,
    width: number,
    height: number,
    cropSize: number,
    grid: [number, number] | null,
  ): Promise<Uint8Array>;

  /** The formats of tensor data that are read and written, all of them. */
  formats(): Format[];
  readGguf(path: string): Promise<GgufInfo>;
  readSafetensors(path: string): Promise<SafetensorsTensor[]>;
  /**
   * Writes to `path`.partial; nothing appears at `path` before finish(). The temporary file is created at once, so that abort() can remove it
   * from then on. `threads` 0: one thread for each core.
   */
  createWriter(
    path: string,
    entries: GgufEntry[],
    tensors: (TensorPlan | RandomTensorPlan)[],
    threads: number,
  ): NativeWriter;

  /** `loading` tells meanwhile how far it is; it serves one call. */
  openModel(path: string, options: ModelOptions, loading?: NativeLoading): Promise<NativeModel>;
  createLoading(): NativeLoading;
  /** Plans memory as {@link NativeModel.plan} does once the model is open, but reads only the header of its file. */
  planModel(path: string, options: ModelOptions, work: Work): Promise<MemoryPlan>;
  createSampler(options: SamplerOptions): NativeSampler;
  createVocabulary(tokens: VocabularyTokens): NativeVocabulary;
}
