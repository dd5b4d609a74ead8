import type { FrameReport, VideoOptions } from "../media/frames.js";
import type { InputImage, InputVideo, MediaPart } from "../prompt/messages.js";
import type { EncodedCrop } from "./crops.js";

/** How a picture or video was read. */
export interface MediaReport {
  path: string;
  width: number;
  height: number;
  /** The grid that it was cut into; null: only the global view is shown. */
  grid: [rows: number, columns: number] | null;
  crops: number;
  /** Only a video has it: its codec, the decoder, and the frames that were chosen (`time` in seconds from the first frame). */
  video?: { codec: string; decoder: string; fps: number; duration: number; frames: FrameReport[] };
}

/**
 * A picture or video of a conversation. It starts with pixels; once its crops are encoded and nobody looks at the pixels any more, only the
 * embeddings are left.
 */
export type ChatMedia = MediaPart & {
  report: MediaReport;
  pixels?: Pixels | undefined;
  encoded?: EncodedCrop[] | undefined;
  /** Its encoding, while somebody is at it. */
  encoding?: Promise<void> | undefined;
  /** The conversations that show it besides the first. */
  sharers?: number | undefined;
};

export interface Pixels {
  /** The crops [cropSize, cropSize, 3], one by one as they are decoded and cut; each call starts with the first. */
  crops(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Frees what crops() needs. */
  close(): Promise<void>;
}

export interface LoadOptions {
  cut: boolean;
  /** The frames of a video to look at, and its decoder. */
  video?: VideoOptions | undefined;
  /** Pixels of a picture or of a video's frame at most; default: what the decoders allow. */
  maxPixels?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Opens a picture or video and chooses its grid or frames. */
export type LoadMedia = (part: InputImage | InputVideo, options: LoadOptions) => Promise<ChatMedia>;

/** The name of a picture or video in messages. */
export function nameOf(part: InputImage | InputVideo): string {
  if ("source" in part) return part.source.name;
  if ("path" in part) return part.name ?? (/^data:/i.test(part.path) ? "the data: URL" : part.path);
  if ("data" in part) return part.name ?? (part.type === "image" ? "picture" : "video");
  const [first] = part.frames;
  return typeof first === "string" && !/^data:/i.test(first) ? first : "video";
}

/** Lets the pixels go. */
export async function closeMedia(media: ChatMedia): Promise<void> {
  const { pixels } = media;
  media.pixels = undefined;
  await pixels?.close();
}

/** Frees pixels and embeddings, unless another conversation shows them. */
export function releaseMedia(media: ChatMedia): void {
  if (media.sharers) {
    media.sharers--;
    return;
  }
  for (const crop of media.encoded ?? []) crop.release();
  media.encoded = undefined;
  void closeMedia(media);
}
