import { ModelFileError } from "../errors.js";
import { type FileType, fileTypes, isQuantized } from "../gguf/file-types.js";
import { bitsPerValue, formats } from "../gguf/formats.js";

export interface ModelShape {
  /** Layers of the language model. */
  numLayers: number;
  /** The embedding is the output matrix too. */
  tied: boolean;
}

/** The format of a tensor, by its GGUF name and shape (row length first), in a file of type `file`. */
export function tensorType(name: string, shape: readonly number[], file: FileType, model: ModelShape): string {
  if (shape.length === 1 || name === "v.position_embd.weight" || name.endsWith(".attn_v_gate.weight")) return "F32";
  // Rows of 3 * 14 * 14 values: no multiple of 32, and a hundredth of the vision tower's weights.
  if (name === "v.patch_embd.weight") return isQuantized(file) ? "F16" : fileTypes[file].format;
  return fitting(wanted(name, file, model), shape[0] ?? 1);
}

function wanted(name: string, file: FileType, model: ModelShape): string {
  const { format, mixed } = fileTypes[file];
  if (!isQuantized(file) || format === "Q8_0") return format;
  // Vision tower and projector are a twentieth of the 7B model and feed everything: eight bits always, as others keep them.
  if (name.startsWith("v.") || name.startsWith("mm.")) return "Q8_0";
  if (name === "output.weight" || (model.tied && name === "token_embd.weight")) return "Q6_K";
  if (mixed) {
    if (name.endsWith(".attn_visual_kv.weight")) return "Q6_K"; // a small matrix, and its values serve as attn_v's do
    const block = /^blk\.(\d+)\.(?:attn_v|ffn_down)\.weight$/.exec(name);
    if (block && needsMoreBits(Number(block[1]), model.numLayers)) return "Q6_K";
  }
  return format;
}

/** llama.cpp's pattern: the first and last eighth of the layers, and every third between. */
function needsMoreBits(block: number, count: number): boolean {
  const eighth = Math.floor(count / 8);
  return block < eighth || block >= Math.floor((7 * count) / 8) || (block - eighth) % 3 === 2;
}

/** `type`, or, where its blocks do not divide a row, the smallest format with more bits whose blocks do. */
function fitting(type: string, cols: number): string {
  const own = formats().get(type);
  if (!own) throw new ModelFileError(`no tensor can be written as ${type}.`);
  if (cols % own.blockSize === 0) return type;
  const larger = [...formats().values()].filter(
    (format) => cols % format.blockSize === 0 && bitsPerValue(format) > bitsPerValue(own),
  );
  return larger.reduce((best, format) => (bitsPerValue(format) < bitsPerValue(best) ? format : best)).name;
}

/**
 * The width to which the vision tower's MLP is widened with zeros (gelu(0) = 0, so nothing changes): 4304 is no multiple of 32, and
 * 4352 is one of 64 and of 256, for blocks and kernels alike.
 */
export function visionFeedForward(length: number, file: FileType): number {
  return isQuantized(file) && length % 32 !== 0 ? Math.ceil(length / 64) * 64 : length;
}
