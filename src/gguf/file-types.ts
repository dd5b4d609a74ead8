import { bitsPerValue, formats, isFloat } from "./formats.js";

/**
 * Types that a whole file can have. Only what is written here knows them: the engine reads each tensor's own format and never asks for
 * `general.file_type`. They are listed here and not in the addon, so that the command line's help needs no addon.
 */
const table = {
  f32: { number: 0, format: "F32" },
  f16: { number: 1, format: "F16" },
  bf16: { number: 32, format: "BF16" },
  q8_0: { number: 7, format: "Q8_0" },
  q6_k: { number: 18, format: "Q6_K" },
  q5_k_m: { number: 17, format: "Q5_K", mixed: true },
  q4_k_m: { number: 15, format: "Q4_K", mixed: true },
  q4_0: { number: 2, format: "Q4_0" },
} as const;
export type FileType = keyof typeof table;

export interface FileTypeInfo {
  /** llama.cpp's number: `general.file_type`. */
  number: number;
  /** The format that most matrices get. */
  format: string;
  /** Some layers get more bits ("_m": medium). */
  mixed?: boolean;
}
export const fileTypes: Readonly<Record<FileType, FileTypeInfo>> = table;
export const fileTypeNames = Object.keys(table) as FileType[];

/** The file type with llama.cpp's number `value`, or null. */
export function fileTypeName(value: unknown): FileType | null {
  return fileTypeNames.find((name) => fileTypes[name].number === value) ?? null;
}

/** Whether the matrices of such a file are quantised. */
export function isQuantized(type: FileType): boolean {
  return !isFloat(fileTypes[type].format);
}

/**
 * An upper bound for a GGUF file's size, as a share of its 16-bit checkpoint's, for models of 2B and more. In a quantised file at most two
 * fifths of the weights get Q8_0 instead of the type's own format (vision tower, projector, embedding), and 7 % are for zero padding, the
 * float vectors and the tokenizer. Files of the 0.5B model, where most rows are no multiple of 256, pass it by up to a sixth.
 */
export function sizeShare(type: FileType): number {
  const share = (name: string) => {
    const format = formats().get(name);
    return format ? bitsPerValue(format) / 16 : 1;
  };
  const own = share(fileTypes[type].format);
  return isQuantized(type) ? 1.07 * (0.6 * own + 0.4 * share("Q8_0")) : own;
}
