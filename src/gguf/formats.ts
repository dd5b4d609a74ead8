import type { Format } from "../native/gguf.js";
import { native } from "../native/native.js";

let known: Map<string, Format> | undefined;

/** The formats of tensor data that the engine reads and writes, by their GGUF names. */
export function formats(): ReadonlyMap<string, Format> {
  known ??= new Map(
    native()
      .formats()
      .map((format) => [format.name, format]),
  );
  return known;
}

/** Whether tensor data of this type are plain floating point numbers (F32, F16, BF16); false also for types that are not read. */
export function isFloat(type: string): boolean {
  return formats().get(type)?.quantised === false;
}

export function bitsPerValue({ blockBytes, blockSize }: Format): number {
  return (8 * blockBytes) / blockSize;
}
