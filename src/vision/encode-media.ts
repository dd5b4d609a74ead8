import type { MemoryPlan, NativeModel } from "../native/binding.js";
import type { ChatMedia } from "./chat-media.js";
import { type CropCache, encodeCrops } from "./encode-crops.js";

/** How far the vision tower is. */
export interface EncodeProgress {
  stage: "encode";
  done: number;
  total: number;
  /** Crops whose pixels have come so far: decoding runs ahead of encoding. */
  decoded: number;
  /** Of the last call of the vision tower; 0 for crops that the cache knew. */
  msPerCrop: number;
  /** By the average so far; undefined before the first. */
  msLeft?: number;
  /** What a crop is: frames where all new media are videos. */
  unit: "crop" | "frame";
  /** Bytes that the plan of the whole answer says. */
  memory: number;
}

export interface EncodeMediaOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: EncodeProgress) => void) | undefined;
  /** Embeddings of crops seen before, by any process; absent: every crop is run. */
  cache?: (() => Promise<CropCache | undefined>) | undefined;
  /** Of the whole answer, told with the progress. */
  plan: MemoryPlan;
}

/**
 * Gives every picture and video that has none yet its embeddings, telling how far it is and how long it may take. Returns how many crops
 * those have.
 */
export async function encodeMedia(
  model: NativeModel,
  media: readonly ChatMedia[],
  { signal, onProgress, cache, plan }: EncodeMediaOptions,
): Promise<number> {
  const fresh = media.filter((item) => !item.encoded);
  const total = fresh.reduce((sum, item) => sum + item.report.crops, 0);
  const known = total > 0 ? await cache?.() : undefined;
  const unit = fresh.every((item) => item.type === "video") ? "frame" : "crop";
  const started = performance.now();
  let done = 0;
  let decoded = 0;
  const tell = (msPerCrop: number): void => {
    const msLeft = done > 0 ? ((performance.now() - started) / done) * (total - done) : undefined;
    const left = msLeft === undefined ? {} : { msLeft };
    onProgress?.({ stage: "encode", done, total, decoded, msPerCrop, unit, memory: plan.total, ...left });
  };
  const counted = async function* (item: ChatMedia): AsyncGenerator<Uint8Array> {
    for await (const crop of cropsOf(item, signal)) {
      decoded++;
      tell(0);
      yield crop;
    }
  };
  for (const item of fresh) {
    tell(0);
    item.encoded = await encodeCrops(model, counted(item), item.report.crops, {
      signal,
      cache: known,
      onCrops: (crops, ms) => {
        done += crops;
        tell(ms / crops);
      },
    });
  }
  return total;
}

/** Pixels of a picture's crops, once more where they were read before. */
function cropsOf(item: ChatMedia, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  if (!item.crops) throw new Error(`${item.report.path} was closed`);
  return item.crops(signal);
}

/** The pixels of all crops whose media are still open. */
export async function allCrops(media: readonly ChatMedia[], signal?: AbortSignal): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (const item of media) if (item.crops) for await (const crop of item.crops(signal)) all.push(crop);
  return all;
}
