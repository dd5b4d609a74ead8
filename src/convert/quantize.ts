import { kinds, oneOf, type Shape } from "../check.js";
import { ModelFileError } from "../errors.js";
import { type FileType, fileTypeNames, fileTypes, isQuantized } from "../gguf/file-types.js";
import { isFloat } from "../gguf/formats.js";
import type { GgufEntry, GgufInfo, TensorPlan } from "../native/gguf.js";
import { native, nativeCall } from "../native/native.js";
import { widenedShape } from "./convert.js";
import { tensorType, visionFeedForward } from "./types.js";
import { checkWrite, type WriteOptions, writeGguf, writeShape } from "./write.js";

export interface QuantizeOptions extends WriteOptions {
  type: FileType;
  warn?: (message: string) => void;
}

const quantizeShape: Shape<QuantizeOptions> = {
  ...writeShape,
  type: oneOf(...fileTypeNames),
  warn: kinds.callback,
};

const widthKey = "mplugowl3.vision.feed_forward_length";

/**
 * Rewrites a GGUF file in another type and returns its size in bytes. Tensors that have their new type already are copied; other quantised
 * tensors are dequantised and quantised again, which loses a little more than starting from the checkpoint would: `warn` is called.
 */
export async function quantizeFile(input: string, output: string, options: QuantizeOptions): Promise<number> {
  checkWrite([input, output], options, quantizeShape, "quantizeFile()");
  const file = await nativeCall(() => native().readGguf(input));
  if (file.metadata["general.architecture"] !== "mplugowl3")
    throw new ModelFileError(`${input} is a GGUF file of another architecture, not mplugowl3.`);
  const numLayers = count(file, "mplugowl3.block_count");
  const intermediateSize = visionFeedForward(count(file, widthKey), options.type);
  const tied = !file.tensors.some((tensor) => tensor.name === "output.weight");
  const plan: TensorPlan[] = file.tensors.map((tensor) => {
    const shape = widenedShape(tensor.name, tensor.shape, intermediateSize);
    const type = tensorType(tensor.name, shape, options.type, { numLayers, tied });
    const source = { path: input, name: tensor.name, dtype: tensor.type, shape: tensor.shape, offset: tensor.offset };
    return { name: tensor.name, type, shape, source };
  });
  const repacked = plan.filter(({ type, source }) => !isFloat(source.dtype) && source.dtype !== type).length;
  if (repacked > 0)
    options.warn?.(
      `${repacked} tensors of ${input} are quantised already: converting the checkpoint would lose less precision.`,
    );
  return writeGguf(output, entriesFor(file, options.type, intermediateSize), plan, options);
}

function count(file: GgufInfo, key: string): number {
  const value = file.metadata[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > 1 << 20)
    throw new ModelFileError(`${file.path}: key ${key} must be an integer from 1 to ${1 << 20}.`);
  return value;
}

/** Copies the file's metadata, with the entries that depend on the type replaced. */
function entriesFor(file: GgufInfo, type: FileType, intermediateSize: number): GgufEntry[] {
  const changed = new Map<string, number>([
    ["general.file_type", fileTypes[type].number],
    [widthKey, intermediateSize],
  ]);
  if (isQuantized(type)) changed.set("general.quantization_version", 2);
  const dropped = new Set(["general.alignment", "general.quantization_version", ...changed.keys()]);
  const kept = Object.entries(file.metadata).flatMap(([key, value]): GgufEntry[] => {
    const stored = file.types[key];
    return dropped.has(key) || stored === undefined ? [] : [{ key, type: stored, value }];
  });
  return [...kept, ...[...changed].map(([key, value]): GgufEntry => ({ key, type: "u32", value }))];
}
