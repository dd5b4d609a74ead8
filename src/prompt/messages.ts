/**
 * The types of a conversation. Two stages share one shape: an `InputMessage` tells where its media are (a path, bytes, a data: URL); a
 * `Message` holds media that are already sized (a picture's grid, a video's number of frames), which is all that a prompt needs. Parts keep
 * their order; nothing is added between them.
 */

export type Role = "system" | "user" | "assistant";

/** The rows and columns that a picture is cut into; the global view is shown in addition. */
export type Grid = [rows: number, columns: number];

/** A decoded picture: RGB8, [height, width, 3]. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

export interface TextPart {
  type: "text";
  text: string;
}
/** A picture in a prompt, with its grid; null if only its global view is shown. */
export interface ImagePart {
  type: "image";
  grid: Grid | null;
}
/** A video in a prompt; each frame is one crop. */
export interface VideoPart {
  type: "video";
  frameCount: number;
}
export type MediaPart = ImagePart | VideoPart;
export type Part = TextPart | MediaPart;

/**
 * A turn. `ids` of an assistant turn are the ids that it was generated as, without the closing markers: tokenizing its text again may give
 * others, and the KV cache of the turn would be lost.
 */
export interface Message<P extends Part = Part> {
  role: Role;
  content: string | P[];
  ids?: readonly number[];
}

/** The demuxer of a clip, by ffmpeg's name, or an animated picture format. */
export type Container = "mov" | "matroska" | "avi" | "gif" | "webp";

/** A medium that was opened and identified by its first bytes. The rest of a file is read when its pixels are needed. */
export type Source = {
  /** Its name in messages. */
  name: string;
  /** Animated GIF and WebP are images that can be opened as clips, too: they have a container. */
  kind: "image" | "video";
  container: Container | null;
} & ({ path: string; bytes?: undefined } | { bytes: Uint8Array; path?: undefined });

/** Where a medium is: a path or data: URL, its bytes, or an opened source; `name` is what messages call it. */
export type InputMedium = { path: string; name?: string } | { data: Uint8Array; name?: string } | { source: Source };
/** `cut` counts for this picture instead of the chat's option. */
export type InputImage = { type: "image"; cut?: boolean } & InputMedium;
/** A video, or its frames, each a path, a data: URL or bytes. `sampling` counts for this video instead of the chat's options of the same names. */
export type InputVideo = { type: "video"; sampling?: FrameChoice } & (
  | InputMedium
  | { frames: (string | Uint8Array)[] }
);
/** The frames of a video to look at. */
export interface FrameChoice {
  /** Sampling rate in frames a second (the reference: 1). */
  fps?: number;
  /** Maximum number of frames (the reference: 16). */
  maxFrames?: number;
  /** Only frames in [start, end) are taken, in seconds from the clip's first frame. */
  start?: number;
  end?: number;
  /** Indices of exactly these frames; the other options then have no effect. */
  frames?: readonly number[];
}
export type InputPart = TextPart | InputImage | InputVideo;
/** `ids` of an answer are the ids that this model generated it as; they are not used unless they spell it. */
export interface InputMessage {
  role: Role;
  content: string | InputPart[];
  ids?: readonly number[];
}
