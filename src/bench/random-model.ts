import { parseConfig } from "../convert/config.js";
import { modelEntries, widenedShape } from "../convert/convert.js";
import { storedShape, tensorLayout } from "../convert/layout.js";
import { tensorType, visionFeedForward } from "../convert/types.js";
import type { FileType } from "../gguf/file-types.js";
import type { GgufEntry, RandomTensorPlan } from "../native/gguf.js";
import type { HyperKind } from "../native/model.js";
import { native, nativeCall } from "../native/native.js";

interface Size {
  kind: HyperKind;
  numLayers: number;
  hiddenSize: number;
  intermediateSize: number;
  numHeads: number;
  numKvHeads: number;
  vocabSize: number;
  /** Counted from 1, as in config.json. */
  hyperLayers: number[];
  tied: boolean;
  /** Pixels a side of a crop. */
  imageSize: number;
}

/** 1B-241014, whose language model has 0.5 billion parameters. */
const size1b: Size = {
  kind: "gated_channel",
  numLayers: 24,
  hiddenSize: 896,
  intermediateSize: 4864,
  numHeads: 14,
  numKvHeads: 2,
  vocabSize: 151851,
  hyperLayers: [6, 13, 20, 22],
  tied: true,
  imageSize: 384,
};
/** 2B-241014. Its hyper layers are not published: these are 1B's at the same shares of the depth. */
const size2b: Size = {
  ...size1b,
  numLayers: 28,
  hiddenSize: 1536,
  intermediateSize: 8960,
  numHeads: 12,
  hyperLayers: size1b.hyperLayers.map((layer) => Math.round((layer * 28) / size1b.numLayers)),
};
/** 7B-241101. */
const size7b: Size = {
  kind: "fused",
  numLayers: 28,
  hiddenSize: 3584,
  intermediateSize: 18944,
  numHeads: 28,
  numKvHeads: 4,
  vocabSize: 151651,
  hyperLayers: [7, 15, 23, 26],
  tied: false,
  imageSize: 378,
};
const size7b240728: Size = {
  ...size7b,
  kind: "gated_head",
  vocabSize: 151851,
  hyperLayers: [1, 9, 17, 25],
  imageSize: 384,
};

/** The published models, each with the architecture of its release; all have the same vision tower. */
const sizes = { "0.5b": size1b, "1b": size1b, "2b": size2b, "7b": size7b, "7b-240728": size7b240728 };
export type BenchShape = keyof typeof sizes;
export const benchShapes = Object.keys(sizes) as BenchShape[];

/** The metadata, without a tokenizer, and the tensors of a model of a published shape. */
export function randomModel(shape: BenchShape, type: FileType): { entries: GgufEntry[]; tensors: RandomTensorPlan[] } {
  const size = sizes[shape];
  const config = parseConfig(
    {
      num_hidden_layers: size.numLayers,
      hidden_size: size.hiddenSize,
      intermediate_size: size.intermediateSize,
      num_attention_heads: size.numHeads,
      num_key_value_heads: size.numKvHeads,
      vocab_size: size.vocabSize,
      max_position_embeddings: 32768,
      rope_theta: 1e6,
      hyper_layers: size.hyperLayers,
      tie_word_embeddings: size.tied,
      vision_config: {
        hidden_size: 1152,
        intermediate_size: 4304,
        num_hidden_layers: 27,
        num_attention_heads: 16,
        image_size: size.imageSize,
        patch_size: 14,
      },
    },
    shape,
  );
  const widened = visionFeedForward(config.vision.intermediateSize, type);
  const tensors = tensorLayout(config, size.kind, size.tied).map(({ name, shape: layout }) => {
    const stored = widenedShape(name, storedShape(layout), widened);
    return {
      name,
      shape: stored,
      type: tensorType(name, stored, type, { numLayers: config.numLayers, tied: size.tied }),
    };
  });
  return { entries: modelEntries({ name: `random ${shape} ${type}`, kind: size.kind, config }, { type }), tensors };
}

/** Writes a model of a published shape with random weights. Returns its size in bytes. */
export async function writeRandomModel(
  path: string,
  shape: BenchShape,
  type: FileType,
  signal?: AbortSignal,
): Promise<number> {
  const { entries, tensors } = randomModel(shape, type);
  const writer = await nativeCall(() => native().createWriter(path, entries, tensors, 0));
  try {
    for (const _ of tensors) {
      signal?.throwIfAborted();
      await nativeCall(() => writer.writeNext());
    }
    await nativeCall(() => writer.finish());
    return writer.fileBytes;
  } catch (error) {
    writer.abort();
    throw error;
  }
}
