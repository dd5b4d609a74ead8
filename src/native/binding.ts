/**
 * The hand-written type of the native addon (native/addon). Every function that does real work returns a promise and runs off the
 * main thread; errors carry `code` (see NativeCode in errors.ts). JavaScript validates and defaults, the border only copies.
 */

import type { NativeVocabulary, VocabularyTokens } from "./constraint.js";
import type {
  Format,
  GgufEntry,
  GgufInfo,
  NativeWriter,
  RandomTensorPlan,
  SafetensorsTensor,
  TensorPlan,
} from "./gguf.js";
import type { MemoryPlan, ModelOptions, NativeModel, Work } from "./model.js";
import type { NativeSampler, SamplerOptions } from "./session.js";

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
