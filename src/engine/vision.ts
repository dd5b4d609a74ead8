import type { NativeEmbeds, NativeModel } from "./binding.js";
import { nativeCall } from "./native.js";

/** One crop's embeddings: crop `crop` of `embeds`. */
export interface EncodedCrop {
  embeds: NativeEmbeds;
  crop: number;
}

/** A call takes about this long, so that progress moves and a stop is soon heard; wide machines still get several crops at once. */
const targetMs = 500;

/**
 * Runs the vision tower over `n` crops [n, s, s, 3], some a call: one at first, then as many as the target time holds. How they are split
 * does not change a crop's embeddings. On an error what was encoded is disposed.
 */
export async function encodeCrops(
  model: NativeModel,
  crops: Uint8Array,
  n: number,
  options: { signal?: AbortSignal | undefined; onCrops?: ((done: number, ms: number) => void) | undefined } = {},
): Promise<EncodedCrop[]> {
  const bytes = crops.length / n;
  const encoded: EncodedCrop[] = [];
  let batch = 1;
  try {
    while (encoded.length < n) {
      options.signal?.throwIfAborted();
      const from = encoded.length;
      const count = Math.min(batch, n - from);
      const started = performance.now();
      const embeds = await nativeCall(model.encode(crops.subarray(from * bytes, (from + count) * bytes), count));
      const ms = performance.now() - started;
      for (let crop = 0; crop < count; crop++) encoded.push({ embeds, crop });
      batch = Math.max(1, Math.min(16, Math.floor((targetMs * count) / ms)));
      options.onCrops?.(count, ms);
    }
    return encoded;
  } catch (error) {
    disposeCrops(encoded);
    throw error;
  }
}

export function disposeCrops(crops: readonly EncodedCrop[]): void {
  for (const embeds of new Set(crops.map((crop) => crop.embeds))) embeds.dispose();
}
