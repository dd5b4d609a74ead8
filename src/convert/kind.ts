/** Which mPLUG-Owl3 a checkpoint is, and what is no checkpoint of a whole model. */
import { ModelFileError } from "../errors.js";
import type { HyperKind } from "../native/model.js";
import type { ModelConfig } from "./config.js";

/** The release whose architecture each kind is. */
export const releases: Readonly<Record<HyperKind, string>> = {
  fused: "241101",
  gated_head: "240728",
  gated_channel: "241014",
};

/**
 * Tells the kind by the names of a checkpoint's tensors: those before 241101 have gates in their hyper layers and a projector of one matrix.
 * `where` names the checkpoint. Throws ModelFileError for any other mixture.
 */
export function kindOfTensors(names: readonly string[], where: string): HyperKind {
  const gates = {
    gated_head: names.some((name) => name.endsWith(".self_attn.gate_proj.0.weight")),
    gated_channel: names.some((name) => name.endsWith(".self_attn.gate")),
  };
  const single = names.includes("vision2text_model.weight");
  if (single && gates.gated_head && !gates.gated_channel) return "gated_head";
  if (single && gates.gated_channel && !gates.gated_head) return "gated_channel";
  if (!single && !gates.gated_head && !gates.gated_channel) return "fused";
  throw new ModelFileError(
    `${where} is of no release that is known: besides what all have, its language model and projector hold ${listed(names.filter(isTelling))}.`,
  );
}

/** Whether a tensor's name differs between releases, or is one that none of them has. */
function isTelling(name: string): boolean {
  return (
    name.startsWith("vision2text_model.") ||
    /^language_model\..*\.self_attn\.(?!(?:[qkv]_proj|o_proj|v_kv_proj|rotary_emb)\.)/.test(name)
  );
}

function listed(names: readonly string[]): string {
  const shown = 12;
  const more = names.length > shown ? ` and ${names.length - shown} more` : "";
  return names.slice(0, shown).join(", ") + more;
}

/**
 * Compares config.json with the tensors and returns a sentence when they are at odds. It is only a witness: `model_type`, `architectures` and
 * `auto_map` are the same in all releases, but those before 241101 have other crops and another vocabulary.
 */
export function contradiction(config: ModelConfig, kind: HyperKind): string | undefined {
  const before = config.vocabSize === 151851 || config.vision.imageSize === 384;
  const after = config.vocabSize === 151651 || config.vision.imageSize === 378;
  if (before === after || before === (kind !== "fused")) return undefined;
  return `config.json looks like one of ${before ? "a release before 241101" : "241101"}, but the tensors are those of ${releases[kind]}, which count.`;
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
