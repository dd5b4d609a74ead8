/** Types a whole file can be converted to, with llama.cpp's number of each (`general.file_type`). */
export const fileTypes = {
  f32: 0,
  f16: 1,
  bf16: 32,
  q8_0: 7,
  q6_k: 18,
  q5_k_m: 17,
  q4_k_m: 15,
  q4_0: 2,
} as const;
export type FileType = keyof typeof fileTypes;

export function isFileType(name: string): name is FileType {
  return Object.hasOwn(fileTypes, name);
}

/** Values in a block of each format. */
const blockSizes = {
  F32: 1,
  F16: 1,
  BF16: 1,
  Q8_0: 32,
  Q4_0: 32,
  Q5_0: 32,
  Q4_K: 256,
  Q5_K: 256,
  Q6_K: 256,
} as const;
export type TensorType = keyof typeof blockSizes;

/** What most matrices of a file get. */
const base: Record<FileType, TensorType> = {
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  q8_0: "Q8_0",
  q6_k: "Q6_K",
  q5_k_m: "Q5_K",
  q4_k_m: "Q4_K",
  q4_0: "Q4_0",
};

export function isQuantized(type: FileType): boolean {
  return blockSizes[base[type]] > 1;
}

export interface ModelShape {
  /** Layers of the language model. */
  blockCount: number;
  /** The embedding is the output matrix too. */
  tied: boolean;
}

/** The format of a tensor, by its GGUF name and shape (row length first), in a file of type `file`. */
export function tensorType(name: string, shape: readonly number[], file: FileType, model: ModelShape): TensorType {
  if (shape.length === 1 || name === "v.position_embd.weight") return "F32";
  // Rows of 3 * 14 * 14 values: no multiple of 32, and a hundredth of the vision tower's weights.
  if (name === "v.patch_embd.weight") return isQuantized(file) ? "F16" : base[file];
  return fitting(wanted(name, file, model), shape[0] ?? 1);
}

function wanted(name: string, file: FileType, model: ModelShape): TensorType {
  if (!isQuantized(file) || file === "q8_0") return base[file];
  // Vision tower and projector are a twentieth of the 7B model and feed everything: eight bits always, as others keep them.
  if (name.startsWith("v.") || name.startsWith("mm.")) return "Q8_0";
  if (name === "output.weight" || (model.tied && name === "token_embd.weight")) return "Q6_K";
  if (file === "q4_k_m" || file === "q5_k_m") {
    if (name.endsWith(".attn_visual_kv.weight")) return "Q6_K"; // few, and holds values as attn_v does
    const block = /^blk\.(\d+)\.(?:attn_v|ffn_down)\.weight$/.exec(name);
    if (block && needsMoreBits(Number(block[1]), model.blockCount)) return "Q6_K";
  }
  return base[file];
}

/** llama.cpp's pattern: the first and last eighth of the layers, and every third between. */
function needsMoreBits(block: number, count: number): boolean {
  const eighth = Math.floor(count / 8);
  return block < eighth || block >= Math.floor((7 * count) / 8) || (block - eighth) % 3 === 2;
}

/** The next format whose blocks divide a row: K-quants fall back to a 32-block format that is at least as exact. */
function fitting(type: TensorType, cols: number): TensorType {
  if (cols % blockSizes[type] === 0) return type;
  if (cols % 32 !== 0) return "F16";
  return type === "Q4_K" ? "Q5_0" : "Q8_0";
}

/**
 * The width to which the vision tower's MLP is widened with zeros (gelu(0) = 0, so nothing changes): 4304 is no multiple of 32, and
 * 4352 is one of 64 and of 256, for blocks and kernels alike.
 */
export function visionFeedForward(length: number, file: FileType): number {
  return isQuantized(file) && length % 32 !== 0 ? Math.ceil(length / 64) * 64 : length;
}
