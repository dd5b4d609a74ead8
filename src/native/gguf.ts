/** Files of tensors as the native addon reads and writes them (native/addon/gguf.cpp, writer.cpp). */

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
