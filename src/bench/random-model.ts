import { parseConfig } from "../convert/config.js";
import { modelEntries, widenedShape } from "../convert/convert.js";
import { storedShape, tensorLayout } from "../convert/layout.js";
import { type FileType, tensorType, visionFeedForward } from "../convert/types.js";
import { native, nativeCall } from "../native/native.js";

/** The published sizes of the language models; all have the same vision tower. Hyper layers are those of MODEL.md (2B's are not published). */
const sizes = {
  "0.5b": {
    layers: 24,
    hidden: 896,
    mlp: 4864,
    heads: 14,
    kvHeads: 2,
    vocab: 151851,
    hyper: [6, 13, 20, 22],
    tied: true,
  },
  "2b": {
    layers: 28,
    hidden: 1536,
    mlp: 8960,
    heads: 12,
    kvHeads: 2,
    vocab: 151851,
    hyper: [7, 15, 23, 26],
    tied: true,
  },
  "7b": {
    layers: 28,
    hidden: 3584,
    mlp: 18944,
    heads: 28,
    kvHeads: 4,
    vocab: 151651,
    hyper: [7, 15, 23, 26],
    tied: false,
  },
} as const;
export type BenchShape = keyof typeof sizes;
export const benchShapes = Object.keys(sizes) as BenchShape[];

/** Writes a model of published shapes with random weights and without a tokenizer. Returns its size in bytes. */
export async function writeRandomModel(
  path: string,
  shape: BenchShape,
  type: FileType,
  signal?: AbortSignal,
): Promise<number> {
  const size = sizes[shape];
  const config = parseConfig(
    {
      num_hidden_layers: size.layers,
      hidden_size: size.hidden,
      intermediate_size: size.mlp,
      num_attention_heads: size.heads,
      num_key_value_heads: size.kvHeads,
      vocab_size: size.vocab,
      max_position_embeddings: 32768,
      rope_theta: 1e6,
      hyper_layers: size.hyper,
      tie_word_embeddings: size.tied,
      vision_config: {
        hidden_size: 1152,
        intermediate_size: 4304,
        num_hidden_layers: 27,
        num_attention_heads: 16,
        image_size: 384,
        patch_size: 14,
      },
    },
    shape,
  );
  const widened = visionFeedForward(config.vision.intermediateSize, type);
  const tensors = tensorLayout(config, size.tied).map(({ name, shape: layout }) => {
    const stored = widenedShape(name, storedShape(layout), widened);
    return {
      name,
      shape: stored,
      type: tensorType(name, stored, type, { blockCount: config.numLayers, tied: size.tied }),
    };
  });
  const entries = modelEntries({ name: `random ${shape} ${type}`, config }, { type });
  const writer = await nativeCall(native().createWriter(path, entries, tensors, 0));
  try {
    for (const _ of tensors) {
      signal?.throwIfAborted();
      await nativeCall(writer.writeNext());
    }
    await nativeCall(writer.finish());
    return writer.fileBytes;
  } catch (error) {
    writer.abort();
    throw error;
  }
}
