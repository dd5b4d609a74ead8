import type { PromptTensors } from "../../chat/options.js";
import type { NativeConfig } from "../../native/model.js";
import { writeSafetensors } from "./safetensors.js";

/** `--dump`: writes the tensors that a prompt gave, which serve to compare implementations. */
export function dumpTensors(path: string, tensors: PromptTensors, config: NativeConfig): Promise<void> {
  const { cropSize: s, cropTokens, hiddenSize } = config;
  return writeSafetensors(path, [
    {
      name: "pixel_values",
      shape: [tensors.crops, 3, s, s],
      pieces: tensors.pixels.map((pixels) => () => normalize(pixels, s)),
    },
    {
      name: "image_embeds",
      shape: [tensors.crops, cropTokens, hiddenSize],
      pieces: tensors.imageEmbeds.map((embeds) => () => embeds),
    },
    { name: "logits", shape: [tensors.logits.length], pieces: [() => tensors.logits] },
  ]);
}

/** Converts uint8 [n, s, s, 3] to float32 [n, 3, s, s] in -1..1, rounded to float32 after each step as in the reference. */
export function normalize(pixels: Uint8Array, s: number): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, x) => {
    const unit = Math.fround(x / 255);
    return Math.fround(Math.fround(unit - 0.5) / 0.5);
  });
  const plane = s * s;
  const out = new Float32Array(pixels.length);
  for (let crop = 0; crop < pixels.length; crop += 3 * plane)
    for (let i = 0; i < plane; i++)
      for (let c = 0; c < 3; c++) out[crop + c * plane + i] = table[pixels[crop + 3 * i + c] as number] as number;
  return out;
}
