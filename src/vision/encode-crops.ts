import type { Crops, EncodedCrop } from "./crops.js";
import { prefetch } from "./prefetch.js";

export interface EncodeOptions {
  signal?: AbortSignal | undefined;
  tenant?: string | undefined;
  /** One more crop is done; `ms`: what the vision tower took for it, 0 when it was known. */
  onCrop?: ((ms: number) => void) | undefined;
  /** While the vision tower runs: how many crops the done part of its work on these amounts to. */
  onPart?: ((crops: number) => void) | undefined;
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
  { signal, tenant, onCrop, onPart }: EncodeOptions = {},
): Promise<EncodedCrop[]> {
  const encoded: EncodedCrop[] = [];
  const asked: Promise<void>[] = [];
  /** By the places of crops in the running call. */
  const shares = new Map<number, number>();
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  try {
    let at = 0;
    let oldest = 0;
    for await (const pixels of prefetch(source, cropsAhead)) {
      signal?.throwIfAborted();
      const place = at++;
      const onShare = (share: number): void => {
        try {
          onPart?.(sum(shares.set(place, share)));
        } catch (error) {
          stop.abort(error); // nobody waits for a timer: the error ends what is asked
        }
      };
      const one = crops.hold(pixels, { signal: either, tenant, ...(onPart && { onShare }) }).then(({ crop, ms }) => {
        encoded[place] = crop;
        shares.delete(place);
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

const sum = (shares: ReadonlyMap<number, number>): number => [...shares.values()].reduce((all, one) => all + one, 0);
