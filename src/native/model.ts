/** A model of the native addon, its options and the memory that work takes (native/addon/model.cpp). */

import type { GgufMetadata } from "./gguf.js";
import type { NativeEmbeds, NativeSession } from "./session.js";

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

export type KvType = "f32" | "f16" | "q8_0";

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
