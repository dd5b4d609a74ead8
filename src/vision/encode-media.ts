import { unlessAborted } from "../abort.js";
import type { MemoryPlan } from "../native/model.js";
import type { ChatMedia } from "./chat-media.js";
import type { Crops } from "./crops.js";
import { encodeCrops } from "./encode-crops.js";

/** The progress of the vision tower. */
export interface EncodeProgress {
  stage: "encode";
  done: number;
  total: number;
  /** Crops that the done part of the running call of the vision tower amounts to, by its layers: 0.5 is half a crop. */
  part: number;
  /** Crops whose pixels have arrived; decoding runs ahead of encoding. */
  decoded: number;
  /** Milliseconds a crop took in the last call of the vision tower; 0 for crops that the cache had. */
  msPerCrop: number;
  /** Estimated milliseconds left, by the average so far; undefined before there is one. */
  msLeft?: number;
  /** "frame" where all new media are videos. */
  unit: "crop" | "frame";
  /** Bytes that the whole answer is planned to take. */
  memory: number;
}

export interface EncodeMediaOptions {
  signal?: AbortSignal | undefined;
  tenant?: string | undefined;
  onProgress?: ((progress: EncodeProgress) => void) | undefined;
  /** The plan of the whole answer, reported with the progress. */
  plan: MemoryPlan;
}

/**
 * Encodes every picture and video that has no embeddings yet and reports the progress with an estimate of the time left. Returns the
 * number of their crops, and of those that the vision tower ran; the others were known.
 */
export async function encodeMedia(
  crops: Crops,
  media: readonly ChatMedia[],
  { signal, tenant, onProgress, plan }: EncodeMediaOptions,
): Promise<{ crops: number; encoded: number }> {
  const fresh = media.filter((item) => !item.encoded);
  const total = fresh.reduce((sum, item) => sum + item.report.crops, 0);
  const unit = fresh.every((item) => item.type === "video") ? "frame" : "crop";
  const started = performance.now();
  let done = 0;
  let encoded = 0;
  let decoded = 0;
  let part = 0;
  const report = (msPerCrop: number): void => {
    const sofar = done + part;
    const msLeft = sofar > 0 ? ((performance.now() - started) / sofar) * (total - sofar) : undefined;
    const left = msLeft === undefined ? {} : { msLeft };
    onProgress?.({ stage: "encode", done, part, total, decoded, msPerCrop, unit, memory: plan.total, ...left });
  };
  const counted = async function* (item: ChatMedia): AsyncGenerator<Uint8Array> {
    if (!item.pixels) throw new Error(`${item.report.path} was closed`);
    for await (const crop of item.pixels.crops(signal)) {
      decoded++;
      report(0);
      yield crop;
    }
  };
  const look = async (item: ChatMedia): Promise<void> => {
    item.encoded = await encodeCrops(crops, counted(item), item.report.crops, {
      signal,
      tenant,
      onCrop: (ms) => {
        done++;
        part = 0;
        if (ms > 0) encoded++;
        report(ms);
      },
      onPart: (crops) => {
        part = crops;
        report(0);
      },
    });
  };
  for (const item of fresh) {
    report(0);
    const before = done;
    // Another conversation that shows it may be at it; if that one is stopped, this one begins anew.
    while (item.encoding && !item.encoded)
      await unlessAborted(
        item.encoding.catch(() => {}),
        signal,
        () => {},
      );
    if (!item.encoded) {
      item.encoding = look(item).finally(() => {
        item.encoding = undefined;
      });
      await item.encoding;
    }
    if (done === before) {
      done += item.report.crops;
      report(0);
    }
  }
  return { crops: total, encoded };
}

/** Reads the pixels of all crops whose media are still open. */
export async function allCrops(media: readonly ChatMedia[], signal?: AbortSignal): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (const { pixels } of media) if (pixels) for await (const crop of pixels.crops(signal)) all.push(crop);
  return all;
}
