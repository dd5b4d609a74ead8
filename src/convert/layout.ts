import type { HyperKind } from "../native/model.js";
import type { ModelConfig } from "./config.js";

/** A tensor to store: its names in GGUF and in the checkpoint, and its shape in the checkpoint (the last dimension varies fastest). */
export interface TensorLayout {
  name: string;
  source: string;
  shape: number[];
}

/** Lists every tensor of a model in the order in which it is stored (see MODEL.md, "GGUF layout"). */
export function tensorLayout(c: ModelConfig, kind: HyperKind, tied: boolean): TensorLayout[] {
  const list: TensorLayout[] = [];
  const add = (name: string, source: string, ...shape: number[]) => list.push({ name, source, shape });
  const linear = (name: string, source: string, out: number, inn: number) => {
    add(`${name}.weight`, `${source}.weight`, out, inn);
    add(`${name}.bias`, `${source}.bias`, out);
  };
  visionLayout(c.vision, add, linear);
  linear("mm.0", kind === "fused" ? "vision2text_model.0" : "vision2text_model", c.hiddenSize, c.vision.hiddenSize);
  if (kind === "fused") linear("mm.2", "vision2text_model.2", c.hiddenSize, c.hiddenSize);

  const root = "language_model.model";
  add("token_embd.weight", `${root}.embed_tokens.weight`, c.vocabSize, c.hiddenSize);
  const kv = c.numKvHeads * c.headDim;
  for (let n = 0; n < c.numLayers; n++) {
    const blk = `blk.${n}`;
    const layer = `${root}.layers.${n}`;
    add(`${blk}.attn_norm.weight`, `${layer}.input_layernorm.weight`, c.hiddenSize);
    linear(`${blk}.attn_q`, `${layer}.self_attn.q_proj`, c.hiddenSize, c.hiddenSize);
    linear(`${blk}.attn_k`, `${layer}.self_attn.k_proj`, kv, c.hiddenSize);
    linear(`${blk}.attn_v`, `${layer}.self_attn.v_proj`, kv, c.hiddenSize);
    if (c.hyperLayers.includes(n)) {
      linear(`${blk}.attn_visual_kv`, `${layer}.self_attn.v_kv_proj`, 2 * kv, c.hiddenSize);
      if (kind === "gated_head") linear(`${blk}.attn_v_gate`, `${layer}.self_attn.gate_proj.0`, c.headDim, c.headDim);
      if (kind === "gated_channel") add(`${blk}.attn_v_gate.weight`, `${layer}.self_attn.gate`, c.hiddenSize);
    }
    add(`${blk}.attn_output.weight`, `${layer}.self_attn.o_proj.weight`, c.hiddenSize, c.hiddenSize);
    add(`${blk}.ffn_norm.weight`, `${layer}.post_attention_layernorm.weight`, c.hiddenSize);
    add(`${blk}.ffn_gate.weight`, `${layer}.mlp.gate_proj.weight`, c.intermediateSize, c.hiddenSize);
    add(`${blk}.ffn_up.weight`, `${layer}.mlp.up_proj.weight`, c.intermediateSize, c.hiddenSize);
    add(`${blk}.ffn_down.weight`, `${layer}.mlp.down_proj.weight`, c.hiddenSize, c.intermediateSize);
  }
  add("output_norm.weight", `${root}.norm.weight`, c.hiddenSize);
  if (!tied) add("output.weight", "language_model.lm_head.weight", c.vocabSize, c.hiddenSize);
  return list;
}

type Add = (name: string, source: string, ...shape: number[]) => void;

function visionLayout(v: ModelConfig["vision"], add: Add, linear: Add): void {
  const root = "vision_model";
  add("v.patch_embd.weight", `${root}.embeddings.patch_embedding.weight`, v.hiddenSize, 3, v.patchSize, v.patchSize);
  add("v.patch_embd.bias", `${root}.embeddings.patch_embedding.bias`, v.hiddenSize);
  add("v.position_embd.weight", `${root}.embeddings.position_embedding.weight`, v.positions, v.hiddenSize);
  for (let n = 0; n < runVisionLayers(v); n++) {
    const blk = `v.blk.${n}`;
    const layer = `${root}.encoder.layers.${n}`;
    const norm = (name: string, source: string) => {
      add(`${name}.weight`, `${source}.weight`, v.hiddenSize);
      add(`${name}.bias`, `${source}.bias`, v.hiddenSize);
    };
    norm(`${blk}.ln1`, `${layer}.layer_norm1`);
    for (const [name, source] of [
      ["attn_q", "q_proj"],
      ["attn_k", "k_proj"],
      ["attn_v", "v_proj"],
      ["attn_out", "out_proj"],
    ])
      linear(`${blk}.${name}`, `${layer}.self_attn.${source}`, v.hiddenSize, v.hiddenSize);
    norm(`${blk}.ln2`, `${layer}.layer_norm2`);
    linear(`${blk}.ffn_up`, `${layer}.mlp.fc1`, v.intermediateSize, v.hiddenSize);
    linear(`${blk}.ffn_down`, `${layer}.mlp.fc2`, v.hiddenSize, v.intermediateSize);
  }
}

/** Number of vision layers that are run: the reference takes hidden_states[-2], so the last layer is not used. */
export function runVisionLayers(v: ModelConfig["vision"]): number {
  return v.numLayers - 1;
}

/** Whether the model does not use a tensor of the checkpoint; any other that is not stored deserves a warning. */
export function isUnused(source: string, c: ModelConfig, tied: boolean): boolean {
  const last = `vision_model.encoder.layers.${runVisionLayers(c.vision)}.`;
  return (
    source.startsWith("vision_model.head.") ||
    source.startsWith("vision_model.post_layernorm.") ||
    source === "vision_model.embeddings.position_ids" ||
    source.startsWith(last) ||
    source.endsWith(".rotary_emb.inv_freq") ||
    (tied && source === "language_model.lm_head.weight")
  );
}

/** The shape in GGUF, whose first dimension varies fastest; the patch convolution becomes a matrix [3 * patchSize^2, hiddenSize]. */
export function storedShape(shape: readonly number[]): number[] {
  if (shape.length === 4) return [shape.slice(1).reduce((a, b) => a * b, 1), shape[0] ?? 1];
  return [...shape].reverse();
}
