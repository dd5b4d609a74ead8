import { ModelFileError } from "../errors.js";

/** The sizes of a checkpoint, read from its config.json and checked. */
export interface ModelConfig {
  numLayers: number;
  hiddenSize: number;
  intermediateSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  vocabSize: number;
  contextLength: number;
  ropeTheta: number;
  rmsEps: number;
  /** Whether the output matrix is the embedding; undefined: it is if the checkpoint has no lm_head. */
  tied: boolean | undefined;
  /** Indices of the layers with hyper attention, counted from 0; config.json counts from 1. */
  hyperLayers: number[];
  bosId: number | undefined;
  eosId: number | undefined;
  padId: number | undefined;
  vision: {
    numLayers: number;
    hiddenSize: number;
    intermediateSize: number;
    numHeads: number;
    patchSize: number;
    /** As config.json has it: pixels a side of a crop, before 241101 at least. */
    imageSize: number;
    /** Pixels a side that whole patches cover. */
    readSize: number;
    positions: number;
    eps: number;
  };
}

/** The image_size of a vision_config that has none: the default of its class in the reference. */
const defaultImageSize = 384;

/** Checks a parsed config.json; `path` names it in messages. Throws ModelFileError. */
export function parseConfig(json: unknown, path: string): ModelConfig {
  const c = new Fields(json, path);
  const modelType = c.string("model_type", "mplugowl3");
  if (modelType !== "mplugowl3") c.refuse("model_type", `"mplugowl3"`, shown(modelType));
  if (c.string("hidden_act", "silu") !== "silu") c.refuse("hidden_act", `"silu"`, "another");
  if (c.has("rope_scaling")) c.refuse("rope_scaling", "null", "a scaling, which is not supported");
  if (c.boolean("use_sliding_window") === true) c.refuse("use_sliding_window", "false", "true, which is not supported");
  const numLayers = c.integer("num_hidden_layers", 1, 1024);
  const hiddenSize = c.integer("hidden_size", 1, 1 << 20);
  const numHeads = c.integer("num_attention_heads", 1, 4096);
  const numKvHeads = c.integer("num_key_value_heads", 1, numHeads, numHeads);
  if (hiddenSize % numHeads !== 0 || (hiddenSize / numHeads) % 2 !== 0)
    c.refuse("hidden_size", `an even multiple of the ${numHeads} heads`, String(hiddenSize));
  if (numHeads % numKvHeads !== 0)
    c.refuse("num_key_value_heads", `a divisor of the ${numHeads} heads`, String(numKvHeads));
  const v = c.object("vision_config");
  if (v.string("hidden_act", "gelu_pytorch_tanh") !== "gelu_pytorch_tanh")
    v.refuse("hidden_act", `"gelu_pytorch_tanh"`, "another");
  if (v.integer("num_channels", 1, 16, 3) !== 3) v.refuse("num_channels", "3", "another");
  const patchSize = v.integer("patch_size", 1, 1024);
  const imageSize = v.integer("image_size", patchSize, 1 << 16, defaultImageSize);
  const patches = Math.floor(imageSize / patchSize);
  const visionHidden = v.integer("hidden_size", 1, 1 << 20);
  const visionHeads = v.integer("num_attention_heads", 1, 4096);
  if (visionHidden % visionHeads !== 0)
    v.refuse("hidden_size", `a multiple of the ${visionHeads} heads`, String(visionHidden));
  const token = (key: string) => (c.has(key) ? c.integer(key, 0, 1 << 30) : undefined);
  return {
    numLayers,
    hiddenSize,
    intermediateSize: c.integer("intermediate_size", 1, 1 << 20),
    numHeads,
    numKvHeads,
    headDim: hiddenSize / numHeads,
    vocabSize: c.integer("vocab_size", 1, 1 << 24),
    contextLength: c.integer("max_position_embeddings", 1, 1 << 30),
    ropeTheta: ropeTheta(c),
    rmsEps: c.number("rms_norm_eps", 1e-6),
    tied: c.boolean("tie_word_embeddings"),
    hyperLayers: c.integers("hyper_layers", 1, numLayers).map((layer) => layer - 1),
    bosId: token("bos_token_id"),
    eosId: token("eos_token_id"),
    padId: token("pad_token_id"),
    vision: {
      numLayers: v.integer("num_hidden_layers", 2, 1024),
      hiddenSize: visionHidden,
      intermediateSize: v.integer("intermediate_size", 1, 1 << 20),
      numHeads: visionHeads,
      patchSize,
      imageSize,
      readSize: patchSize * patches,
      positions: patches ** 2,
      eps: v.number("layer_norm_eps", 1e-6),
    },
  };
}

/** Reads rope_theta, which newer configs keep in rope_parameters; 10000 is the default of the reference's Qwen2. */
function ropeTheta(c: Fields): number {
  if (!c.has("rope_parameters")) return c.number("rope_theta", 10000);
  const rope = c.object("rope_parameters");
  if (rope.string("rope_type", "default") !== "default")
    rope.refuse("rope_type", `"default"`, "another, which is not supported");
  return rope.number("rope_theta", c.number("rope_theta", 10000));
}

/** Typed access to the fields of a JSON object; null counts as absent. */
export class Fields {
  readonly #values: Map<string, unknown>;
  readonly #where: string;

  constructor(json: unknown, where: string) {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw new ModelFileError(`${where} is not a JSON object.`);
    this.#values = new Map(Object.entries(json));
    this.#where = where;
  }

  refuse(key: string, expected: string, found: string): never {
    throw new ModelFileError(`${this.#where}: ${key} must be ${expected}, found ${found}.`);
  }

  get(key: string): unknown {
    return this.#values.get(key) ?? undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  integer(key: string, lo: number, hi: number, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= lo && value <= hi) return value;
    this.refuse(key, `an integer from ${lo} to ${hi}`, shown(value));
  }

  /** A positive number; with `zero`, 0 is allowed, too. */
  number(key: string, fallback: number, zero = false): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === "number" && (value > 0 || (zero && value === 0)) && value < 1e30) return value;
    this.refuse(key, zero ? "a number that is not negative" : "a positive number", shown(value));
  }

  string(key: string, fallback: string): string {
    const value = this.get(key) ?? fallback;
    if (typeof value === "string") return value;
    this.refuse(key, "a string", shown(value));
  }

  boolean(key: string): boolean | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    this.refuse(key, "true or false", shown(value));
  }

  /** Distinct integers in ascending order. */
  integers(key: string, lo: number, hi: number): number[] {
    const value = this.get(key);
    const fits = (n: unknown) => typeof n === "number" && Number.isInteger(n) && n >= lo && n <= hi;
    if (Array.isArray(value) && value.every(fits) && new Set(value).size === value.length)
      return [...value].sort((a, b) => a - b);
    this.refuse(key, `a list of distinct integers from ${lo} to ${hi}`, shown(value));
  }

  object(key: string): Fields {
    return new Fields(this.get(key) ?? {}, `${this.#where}: ${key}`);
  }
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    return "a value that is nested too deeply";
  }
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
