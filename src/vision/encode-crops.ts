import type { Crops, EncodedCrop } from "./crops.js";
import { prefetch } from "./prefetch.js";

export interface EncodeOptions {
  signal?: AbortSignal | undefined;
  tenant?: string | undefined;
  /** One more crop is done; `ms`: what the vision tower took for it, 0 when it was known. */
  onCrop?: ((ms: number) => void) | undefined;
}

/** Crops whose pixels may wait, decoded and cut, while the engine works. */
const cropsAhead = 4;

/**
 * Encodes `n` crops [s, s, 3] that arrive one by one, while the next are being decoded and cut; the pixels of no more than a call and a few are
 * held. On an error what was encoded is released.
 */
export async function encodeCrops(
  crops: Crops,
  source: AsyncIterable<Uint8Array>,
  n: number,
  { signal, tenant, onCrop }: EncodeOptions = {},
): Promise<EncodedCrop[]> {
  const encoded: EncodedCrop[] = [];
  const asked: Promise<void>[] = [];
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  try {
    let at = 0;
    let oldest = 0;
    for await (const pixels of prefetch(source, cropsAhead)) {
      signal?.throwIfAborted();
      const place = at++;
      const one = crops.hold(pixels, { signal: either, tenant }).then(({ crop, ms }) => {
        encoded[place] = crop;
        onCrop?.(ms);
      });
      one.catch(() => {}); // told below, when its turn comes
      asked.push(one);
      while (asked.length - oldest >= crops.batch) await asked[oldest++];
    }
    await Promise.all(asked);
    if (at !== n) throw new Error(`${at} crops came where ${n} were expected`);
    return encoded;
  } catch (error) {
    stop.abort();
    await Promise.allSettled(asked);
    for (const crop of encoded) crop?.release();
    throw error;
  }
}
