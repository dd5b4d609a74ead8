import type { NativeConfig } from "../native/model.js";

/** Operations and bytes of each piece of work; a multiply-add counts as two operations, in units of 10^9. */

/** Matrix products of the vision tower and projector for one crop; the projector has a second matrix where no gate follows in hyper layers. */
export function visionProducts({ vision: v, hiddenSize, cropTokens, patchSize, hyperKind }: NativeConfig): number {
  const layer = 4 * v.hiddenSize ** 2 + 2 * v.hiddenSize * v.intermediateSize;
  const second = hyperKind === "fused" ? hiddenSize ** 2 : 0;
  const ends = 3 * patchSize ** 2 * v.hiddenSize + v.hiddenSize * hiddenSize + second;
  return (2 * cropTokens * (v.numLayers * layer + ends)) / 1e9;
}

/** Attention of the vision tower for one crop. */
export function visionAttention({ vision: v, cropTokens }: NativeConfig): number {
  return (4 * v.numLayers * cropTokens ** 2 * v.hiddenSize) / 1e9;
}

/** Matrix products of a prefill of n tokens, logits of the last one. */
export function prefillProducts(c: NativeConfig, n: number): number {
  const kv = c.numKvHeads * c.headDim;
  const layer = 2 * c.hiddenSize ** 2 + 2 * c.hiddenSize * kv + 3 * c.hiddenSize * c.intermediateSize;
  return (2 * (n * c.numLayers * layer + c.hiddenSize * c.vocabSize)) / 1e9;
}

/** Bytes that decoding one token reads: the weights, and keys and values. */
export function decodeBytes(
  c: NativeConfig,
  weights: number,
  crops: number,
  positions: number,
  kvBytes: number,
): number {
  const position = 2 * c.numKvHeads * c.headDim * kvBytes;
  return weights + position * (c.numLayers * positions + c.hyperLayers.length * crops * c.cropTokens);
}
