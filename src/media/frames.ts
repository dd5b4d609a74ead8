/** Samples the frames of a clip: chooses them, tells when they are shown, and decodes them one by one. */
import { kinds, oneOf, type Shape } from "../check.js";
import type { Source } from "../prompt/messages.js";
import {
  type Clip,
  type ClipFrame,
  type ClipInfo,
  type DecoderChoice,
  defaultLimits,
  openClip,
  type SamplingOptions,
  sampleFrames,
} from "./video.js";

export interface VideoOptions extends SamplingOptions {
  /** Default "auto". */
  decoder?: DecoderChoice;
}

export const videoShape: Shape<VideoOptions> = {
  ...{ fps: kinds.number, maxFrames: kinds.number, start: kinds.number, end: kinds.number, frames: kinds.numbers },
  ...{ rule: oneOf("reference", "middles"), decoder: oneOf("auto", "builtin", "system") },
};

/** A frame that was chosen: its index in presentation order and its time in seconds from the clip's first frame. */
export interface FrameReport {
  index: number;
  time: number;
}

export interface SampledVideo {
  readonly name: string;
  readonly info: ClipInfo;
  readonly decoder: Clip["decoder"];
  readonly frames: FrameReport[];
  /** Decodes the chosen frames; each call starts with the first. */
  read(signal?: AbortSignal): AsyncGenerator<ClipFrame, void, void>;
  close(): Promise<void>;
}

/** Opens a clip (a path, its bytes or an opened source) and chooses its frames; nothing is decoded yet. */
export async function sampleVideo(
  medium: string | Uint8Array | Source,
  options: VideoOptions & { name?: string; maxPixels?: number | undefined; signal?: AbortSignal } = {},
): Promise<SampledVideo> {
  const { decoder = "auto", name = nameOf(medium), maxPixels, signal } = options;
  const limits = maxPixels === undefined ? {} : { pixels: Math.min(maxPixels, defaultLimits.pixels) };
  const clip = await openClip(medium, { decoder, name, limits, ...(signal && { signal }) });
  try {
    const indices = sampleFrames(clip.times, clip.info.fps, options);
    return {
      name,
      info: clip.info,
      decoder: clip.decoder,
      frames: indices.map((index) => ({ index, time: clip.times[index] as number })),
      read: (abort) => clip.decode(indices, abort),
      close: () => clip.close(),
    };
  } catch (error) {
    await clip.close();
    throw error;
  }
}

function nameOf(medium: string | Uint8Array | Source): string {
  if (typeof medium === "string") return medium;
  return medium instanceof Uint8Array ? "the clip" : medium.name;
}
