/** Which mPLUG-Owl3 a checkpoint is, and the refusal of those that can't be converted. */
import { ModelFileError } from "../errors.js";

/** The architectures of mPLUG-Owl3, named by their releases; "unknown" is a model of another family. */
export type ModelKind = "241101" | "241014" | "240728" | "unknown";

/**
 * Tells by a parsed config.json, which may be anything, which architecture a checkpoint has. `model_type`, `architectures` and `auto_map` are
 * the same in all releases: those before 241101 differ by a crop of 384 pixels (the default of their class) or by the rows of their vocabulary,
 * and only the 7B model of 240728 has an output matrix of its own.
 */
export function kindOfConfig(json: unknown): ModelKind {
  if (!isObject(json) || (json.model_type ?? "mplugowl3") !== "mplugowl3") return "unknown";
  const vision = json.vision_config;
  const before241101 = (isObject(vision) && (vision.image_size ?? 384) === 384) || json.vocab_size === 151851;
  if (!before241101) return "241101";
  return json.tie_word_embeddings === true ? "241014" : "240728";
}

/** Tells by the names of a checkpoint's tensors which architecture it has: hyper layers of the releases before 241101 have gates. */
export function kindOfTensors(names: Iterable<string>): ModelKind {
  for (const name of names) {
    if (name.endsWith(".self_attn.gate_proj.0.weight")) return "240728";
    if (name.endsWith(".self_attn.gate")) return "241014";
  }
  return "241101";
}

/** Throws ModelFileError for an architecture that the engine does not compute; `where` names the checkpoint. */
export function refuseGated(kind: ModelKind, where: string): void {
  if (kind === "241014" || kind === "240728")
    throw new ModelFileError(
      `${where} describes an mPLUG-Owl3 of ${kind}, whose gated hyper attention owl3 can't run yet; it runs mPLUG-Owl3-7B-241101.`,
    );
}

/** Whether a file of this name holds weights of a whole model, or is the index of such files. */
export const isWeights = (name: string) =>
  /\.safetensors(\.index\.json)?$/.test(name) && !name.startsWith("adapter_model");

/** Whether a folder with files of these names holds a LoRA adapter and not the weights of a whole model. */
export const isAdapter = (names: readonly string[]) => names.includes("adapter_config.json") && !names.some(isWeights);

/** The error for a LoRA adapter, which says what to do with it. */
export function adapterError(where: string): ModelFileError {
  return new ModelFileError(
    `${where} is a LoRA adapter, not a whole model: merge it into its base model first (with merge_lora of ms-swift or merge_and_unload of PEFT) and convert the merged checkpoint.`,
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
