import type { FrameReport, VideoOptions } from "../media/frames.js";
import type { InputImage, InputVideo, MediaPart } from "../prompt/messages.js";
import { disposeCrops, type EncodedCrop } from "./encode-crops.js";

/** What was made of a picture or video. */
export interface MediaReport {
  path: string;
  width: number;
  height: number;
  /** Rows and columns it was cut into; null: only the global view. */
  grid: [rows: number, columns: number] | null;
  crops: number;
  /** Of a video: what was decoded, by what, and the frames that were chosen (time in seconds from the first frame). */
  video?: { codec: string; decoder: string; fps: number; duration: number; frames: FrameReport[] };
}

/** A picture or video of a conversation: its crops as pixels until they are encoded, as embeddings from then on. */
export type ChatMedia = MediaPart & {
  report: MediaReport;
  /** The crops [s, s, 3], one by one as they are decoded and cut; from the first each time it is called, until close(). */
  crops?: ((signal?: AbortSignal) => AsyncIterable<Uint8Array>) | undefined;
  /** Frees what crops() needs. */
  close?: (() => Promise<void>) | undefined;
  encoded?: EncodedCrop[];
};

export interface LoadOptions {
  cut: boolean;
  /** Which frames of a video, and what decodes it. */
  video?: VideoOptions | undefined;
  signal?: AbortSignal | undefined;
}

/** Opens a picture or video and chooses its grid or frames. */
export type LoadMedia = (part: InputImage | InputVideo, options: LoadOptions) => Promise<ChatMedia>;

/** What a picture or video is called in messages. */
export function nameOf(part: InputImage | InputVideo): string {
  if ("path" in part) return /^data:/i.test(part.path) ? "the data: URL" : part.path;
  return "data" in part ? (part.name ?? (part.type === "image" ? "picture" : "video")) : (part.frames[0] ?? "video");
}

/** After this crops() is gone. */
export async function closeMedia(media: ChatMedia): Promise<void> {
  const { close } = media;
  delete media.crops;
  delete media.close;
  await close?.();
}

/** Frees pixels and embeddings. */
export function releaseMedia(media: ChatMedia): void {
  if (media.encoded) disposeCrops(media.encoded);
  delete media.encoded;
  void closeMedia(media);
}
