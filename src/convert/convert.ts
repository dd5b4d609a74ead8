import { kinds, oneOf, type Shape } from "../check.js";
import { ModelFileError } from "../errors.js";
import { type FileType, fileTypeNames, fileTypes, isQuantized } from "../gguf/file-types.js";
import { isFloat } from "../gguf/formats.js";
import type { GgufEntry, TensorPlan } from "../native/gguf.js";
import { type Checkpoint, openCheckpoint } from "./checkpoint.js";
import { contradiction } from "./kind.js";
import { isUnused, runVisionLayers, storedShape, tensorLayout } from "./layout.js";
import { tokenizerEntries } from "./tokenizer.js";
import { tensorType, visionFeedForward } from "./types.js";
import { checkWrite, type WriteOptions, writeGguf, writeShape } from "./write.js";

export interface ConvertOptions extends WriteOptions {
  type: FileType;
  /** Value of `general.name`; default: the name of the folder. */
  name?: string;
  license?: string;
  sourceUrl?: string;
  /** Called for everything that is skipped. */
  warn?: (message: string) => void;
  /** Called with what the folder tells about its origin. */
  note?: (message: string) => void;
}

const convertShape: Shape<ConvertOptions> = {
  ...writeShape,
  type: oneOf(...fileTypeNames),
  ...{ name: kinds.text, license: kinds.text, sourceUrl: kinds.text, warn: kinds.callback, note: kinds.callback },
};

/** Converts a Hugging Face checkpoint folder to a GGUF file. Returns its size in bytes. */
export async function convertCheckpoint(folder: string, output: string, options: ConvertOptions): Promise<number> {
  checkWrite([folder, output], options, convertShape, "convertCheckpoint()");
  const checkpoint = await openCheckpoint(folder);
  const { config, kind, tensors, origin } = checkpoint;
  const warn = options.warn ?? (() => {});
  const doubt = contradiction(config, kind);
  if (doubt) warn(doubt);
  if (origin) options.note?.(`${options.name ?? checkpoint.name} was fine-tuned from ${origin}, says its args.json.`);
  const tied = config.tied ?? !tensors.has("language_model.lm_head.weight");
  const plan = planTensors(checkpoint, tied, options.type);
  const used = new Set(plan.map((tensor) => tensor.source.name));
  const left = [...tensors.keys()].filter((name) => !used.has(name) && !isUnused(name, config, tied));
  if (left.length > 0) warn(`${left.length} tensors of the checkpoint are unknown and skipped (${left[0]} ...).`);
  const entries = [
    ...modelEntries(checkpoint, options),
    ...tokenizerEntries(checkpoint.tokenizer.json, checkpoint.tokenizer.path, config.vocabSize, warn),
    ...specialEntries(checkpoint),
  ];
  return writeGguf(output, entries, plan, options);
}

function planTensors({ config, kind, tensors }: Checkpoint, tied: boolean, file: FileType): TensorPlan[] {
  const layout = tensorLayout(config, kind, tied);
  const missing = layout.filter(({ source }) => !tensors.has(source)).map(({ source }) => source);
  if (missing.length > 0) {
    const others = missing.length > 1 ? ` and ${missing.length - 1} others are` : " is";
    throw new ModelFileError(`tensor ${missing[0]}${others} missing from the checkpoint.`);
  }
  const widened = visionFeedForward(config.vision.intermediateSize, file);
  return layout.map(({ name, source, shape }) => {
    const found = tensors.get(source);
    if (!found || found.shape.join() !== shape.join())
      throw new ModelFileError(
        `tensor ${source} in ${found?.path} has shape [${found?.shape.join(", ")}], expected [${shape.join(", ")}].`,
      );
    if (!isFloat(found.dtype))
      throw new ModelFileError(
        `tensor ${source} in ${found.path} has dtype ${found.dtype}, expected F32, F16 or BF16.`,
      );
    const from = storedShape(shape);
    const to = widenedShape(name, from, widened);
    return {
      name,
      type: tensorType(name, to, file, { numLayers: config.numLayers, tied }),
      shape: to,
      source: { path: found.path, name: source, dtype: found.dtype, shape: from, offset: found.offset },
    };
  });
}

/** The shape of a vision MLP tensor that is zero-padded to `intermediateSize`: ffn_up gets more rows, ffn_down longer ones. */
export function widenedShape(name: string, shape: readonly number[], intermediateSize: number): number[] {
  if (/^v\.blk\.\d+\.ffn_up\.weight$/.test(name)) return [shape[0] ?? 1, intermediateSize];
  if (/^v\.blk\.\d+\.ffn_up\.bias$/.test(name)) return [intermediateSize];
  if (/^v\.blk\.\d+\.ffn_down\.weight$/.test(name)) return [intermediateSize, shape[1] ?? 1];
  return [...shape];
}

/** The metadata of a model but for its tokenizer. */
export function modelEntries(
  { name, kind, config: c }: Pick<Checkpoint, "name" | "kind" | "config">,
  options: Pick<ConvertOptions, "type" | "name" | "license" | "sourceUrl">,
): GgufEntry[] {
  const entries: GgufEntry[] = [];
  const add = (key: string, type: GgufEntry["type"], value: GgufEntry["value"]) => entries.push({ key, type, value });
  add("general.architecture", "string", "mplugowl3");
  add("general.type", "string", "model");
  add("general.name", "string", options.name ?? name);
  if (options.license) add("general.license", "string", options.license);
  if (options.sourceUrl) add("general.source.url", "string", options.sourceUrl);
  add("general.file_type", "u32", fileTypes[options.type].number);
  if (isQuantized(options.type)) add("general.quantization_version", "u32", 2);
  const own = (key: string, type: GgufEntry["type"], value: GgufEntry["value"]) => add(`mplugowl3.${key}`, type, value);
  own("block_count", "u32", c.numLayers);
  own("context_length", "u32", c.contextLength);
  own("embedding_length", "u32", c.hiddenSize);
  own("feed_forward_length", "u32", c.intermediateSize);
  own("attention.head_count", "u32", c.numHeads);
  own("attention.head_count_kv", "u32", c.numKvHeads);
  own("attention.layer_norm_rms_epsilon", "f32", c.rmsEps);
  own("rope.freq_base", "f32", c.ropeTheta);
  own("vocab_size", "u32", c.vocabSize);
  own("hyper_attention.blocks", "i32[]", c.hyperLayers);
  own("vision.image_size", "u32", c.vision.readSize);
  own("vision.patch_size", "u32", c.vision.patchSize);
  own("vision.embedding_length", "u32", c.vision.hiddenSize);
  own("vision.feed_forward_length", "u32", visionFeedForward(c.vision.intermediateSize, options.type));
  own("vision.block_count", "u32", runVisionLayers(c.vision));
  own("vision.attention.head_count", "u32", c.vision.numHeads);
  own("vision.attention.layer_norm_epsilon", "f32", c.vision.eps);
  own("vision.image_mean", "f32[]", [0.5, 0.5, 0.5]);
  own("vision.image_std", "f32[]", [0.5, 0.5, 0.5]);
  // Files of 241101 have none of these, so that they are the same as ever.
  if (kind !== "fused") {
    own("hyper_attention.kind", "string", kind);
    own("hyper_attention.media_offset", "u32", 1);
    own("vision.crop_size", "u32", c.vision.imageSize);
    own("prompt.cut_template", "string", kind === "gated_head" ? "v2" : "v3");
  }
  return entries;
}

/** The special ids and the sampling defaults of generation_config.json. */
function specialEntries({ config, generation: g }: Checkpoint): GgufEntry[] {
  const entries: GgufEntry[] = [];
  const last = config.vocabSize - 1;
  const eosIds = Array.isArray(g.get("eos_token_id"))
    ? g.integers("eos_token_id", 0, last)
    : g.has("eos_token_id")
      ? [g.integer("eos_token_id", 0, last)]
      : [];
  const id = (key: string, value: number | undefined) => {
    if (value !== undefined && value <= last) entries.push({ key, type: "u32", value });
  };
  id("tokenizer.ggml.bos_token_id", config.bosId);
  id("tokenizer.ggml.eos_token_id", config.eosId ?? eosIds[0]);
  id(
    "tokenizer.ggml.padding_token_id",
    g.has("pad_token_id") ? g.integer("pad_token_id", 0, last) : (config.padId ?? config.bosId),
  );
  entries.push({ key: "tokenizer.ggml.add_bos_token", type: "bool", value: false });

  const own = (key: string, type: GgufEntry["type"], value: GgufEntry["value"]) =>
    entries.push({ key: `mplugowl3.generation.${key}`, type, value });
  if (eosIds.length > 0) own("eos_token_ids", "i32[]", eosIds);
  const doSample = g.boolean("do_sample");
  if (doSample !== undefined) own("do_sample", "bool", doSample);
  for (const key of ["temperature", "top_p", "repetition_penalty"])
    if (g.has(key)) own(key, "f32", g.number(key, 1, key === "temperature"));
  if (g.has("top_k")) own("top_k", "u32", g.integer("top_k", 0, 1 << 24));
  return entries;
}
