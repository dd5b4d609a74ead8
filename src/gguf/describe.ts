import { ModelFileError } from "../errors.js";
import type { GgufInfo } from "../native/gguf.js";
import type { HyperKind } from "../native/model.js";
import { fileTypeName } from "./file-types.js";

/** The content of a GGUF file, as `owl3 info --json` prints it. Only an mPLUG-Owl3 file has `model`. */
export interface FileDescription {
  path: string;
  file_bytes: number;
  gguf_version: number;
  architecture: string | null;
  name: string | null;
  license: string | null;
  source_url: string | null;
  file_type: string | null;
  parameters: number;
  bits_per_weight: number;
  types: { type: string; tensors: number; bytes: number; share: number }[];
  model: ModelDescription | null;
}

export interface ModelDescription {
  parameters: { language: number; vision: number };
  language: {
    num_layers: number;
    hidden_size: number;
    intermediate_size: number;
    num_heads: number;
    num_kv_heads: number;
    head_dim: number;
    vocab_size: number;
    context_length: number;
    rope_theta: number;
    tie_word_embeddings: boolean;
  };
  /** Indices of the layers with hyper attention, counted from 0. */
  hyper_layers: number[];
  hyper_kind: HyperKind;
  vision: {
    num_layers: number;
    hidden_size: number;
    intermediate_size: number;
    num_heads: number;
    patch_size: number;
    crop_size: number;
    crop_tokens: number;
  };
  tokenizer: {
    model: string;
    pre: string;
    tokens: number;
    special: string[];
    unused: number;
    merges: number;
    ends_at: string[];
  };
  /** The defaults of generation_config.json; those that it lacks are absent. */
  sampling: Partial<Record<"temperature" | "top_p" | "top_k" | "repetition_penalty", number>> & { do_sample?: boolean };
}

/** Describes an opened file. Throws ModelFileError when an mPLUG-Owl3 file lacks a key or holds a wrong one. */
export function describeFile(file: GgufInfo): FileDescription {
  const m = new Metadata(file);
  const types = new Map<string, { type: string; tensors: number; bytes: number; share: number }>();
  for (const tensor of file.tensors) {
    const entry = types.get(tensor.type) ?? { type: tensor.type, tensors: 0, bytes: 0, share: 0 };
    types.set(tensor.type, { ...entry, tensors: entry.tensors + 1, bytes: entry.bytes + tensor.bytes });
  }
  const bytes = sum(file.tensors.map((tensor) => tensor.bytes));
  const parameters = countValues(file, () => true);
  return {
    path: file.path,
    file_bytes: file.fileBytes,
    gguf_version: file.version,
    architecture: m.optionalString("general.architecture"),
    name: m.optionalString("general.name"),
    license: m.optionalString("general.license"),
    source_url: m.optionalString("general.source.url"),
    file_type: fileTypeName(file.metadata["general.file_type"]),
    parameters,
    bits_per_weight: parameters > 0 ? round((8 * bytes) / parameters) : 0,
    types: [...types.values()]
      .map((entry) => ({ ...entry, share: bytes > 0 ? round(entry.bytes / bytes) : 0 }))
      .sort((a, b) => b.bytes - a.bytes),
    model: m.optionalString("general.architecture") === "mplugowl3" ? describeModel(file, m) : null,
  };
}

function describeModel(file: GgufInfo, m: Metadata): ModelDescription {
  const own = (key: string) => m.count(`mplugowl3.${key}`);
  const [hidden, heads] = [own("embedding_length"), own("attention.head_count")];
  const patch = own("vision.patch_size");
  const side = m.has("mplugowl3.vision.crop_size") ? own("vision.crop_size") : own("vision.image_size");
  const isVision = (name: string) => name.startsWith("v.") || name.startsWith("mm.");
  const layers = own("block_count");
  return {
    parameters: {
      language: countValues(file, (name) => !isVision(name)),
      vision: countValues(file, isVision),
    },
    language: {
      num_layers: layers,
      hidden_size: hidden,
      intermediate_size: own("feed_forward_length"),
      num_heads: heads,
      num_kv_heads: own("attention.head_count_kv"),
      head_dim: Math.floor(hidden / heads),
      vocab_size: m.list("tokenizer.ggml.tokens").length,
      context_length: own("context_length"),
      rope_theta: m.number("mplugowl3.rope.freq_base") ?? 10000,
      tie_word_embeddings: !file.tensors.some((tensor) => tensor.name === "output.weight"),
    },
    hyper_layers: m.list("mplugowl3.hyper_attention.blocks").map(Number),
    hyper_kind: m.has("mplugowl3.hyper_attention.kind") ? m.hyperKind("mplugowl3.hyper_attention.kind") : "fused",
    vision: {
      num_layers: own("vision.block_count"),
      hidden_size: own("vision.embedding_length"),
      intermediate_size: own("vision.feed_forward_length"),
      num_heads: own("vision.attention.head_count"),
      patch_size: patch,
      crop_size: side,
      crop_tokens: Math.floor(side / patch) ** 2,
    },
    tokenizer: describeTokenizer(m),
    sampling: describeSampling(m),
  };
}

function describeTokenizer(m: Metadata): ModelDescription["tokenizer"] {
  const tokens = m.list("tokenizer.ggml.tokens").map(String);
  const kinds = m.list("tokenizer.ggml.token_type");
  const text = (id: unknown) => tokens[Number(id)] ?? `id ${id}`;
  // A checkpoint need not say where answers end: these markers end them in any case.
  let ends = ["<|im_end|>", "<|endoftext|>"];
  if (m.has("mplugowl3.generation.eos_token_ids")) ends = m.list("mplugowl3.generation.eos_token_ids").map(text);
  else if (m.has("tokenizer.ggml.eos_token_id")) ends = [text(m.count("tokenizer.ggml.eos_token_id"))];
  return {
    model: m.optionalString("tokenizer.ggml.model") ?? "unknown",
    pre: m.optionalString("tokenizer.ggml.pre") ?? "unknown",
    tokens: kinds.filter((kind) => kind !== 5).length,
    special: tokens.filter((_, id) => kinds[id] === 3),
    unused: kinds.filter((kind) => kind === 5).length,
    merges: m.list("tokenizer.ggml.merges").length,
    ends_at: ends,
  };
}

function describeSampling(m: Metadata): ModelDescription["sampling"] {
  const sampling: ModelDescription["sampling"] = {};
  const doSample = m.boolean("mplugowl3.generation.do_sample");
  if (doSample !== undefined) sampling.do_sample = doSample;
  for (const key of ["temperature", "top_p", "top_k", "repetition_penalty"] as const) {
    const value = m.number(`mplugowl3.generation.${key}`);
    if (value !== undefined) sampling[key] = value;
  }
  return sampling;
}

/** Checked access to metadata, which may hold anything. */
class Metadata {
  readonly #file: GgufInfo;

  constructor(file: GgufInfo) {
    this.#file = file;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#file.metadata, key);
  }

  optionalString(key: string): string | null {
    const value = this.has(key) ? this.#file.metadata[key] : undefined;
    return typeof value === "string" ? value : null;
  }

  hyperKind(key: string): HyperKind {
    const value = this.optionalString(key);
    if (value === "fused" || value === "gated_head" || value === "gated_channel") return value;
    throw new ModelFileError(`${this.#file.path}: key ${key} must be fused, gated_head or gated_channel.`);
  }

  count(key: string): number {
    const value = this.has(key) ? this.#file.metadata[key] : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 1 << 30) return value;
    throw new ModelFileError(`${this.#file.path}: key ${key} must be an integer from 0 to ${1 << 30}.`);
  }

  /** Rounds a single-precision number to seven digits, as people write it: 0.7, not 0.699999988079071. */
  number(key: string): number | undefined {
    const value = this.has(key) ? this.#file.metadata[key] : undefined;
    return typeof value === "number" ? Number(value.toPrecision(7)) : undefined;
  }

  boolean(key: string): boolean | undefined {
    const value = this.has(key) ? this.#file.metadata[key] : undefined;
    return typeof value === "boolean" ? value : undefined;
  }

  list(key: string): unknown[] {
    const value = this.has(key) ? this.#file.metadata[key] : undefined;
    if (Array.isArray(value)) return value;
    throw new ModelFileError(`${this.#file.path}: key ${key} must be a list.`);
  }
}

function countValues(file: GgufInfo, wanted: (name: string) => boolean): number {
  const tensors = file.tensors.filter((tensor) => wanted(tensor.name));
  return sum(tensors.map((tensor) => tensor.shape.reduce((a, b) => a * b, 1)));
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function round(n: number): number {
  return Math.round(n * 10000) / 10000;
}
