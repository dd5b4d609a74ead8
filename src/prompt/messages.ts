/**
 * The conversation as data. Two stages share one shape: an `InputMessage` says where its media are (a path, bytes, a data: URL), a
 * `Message` holds media that are already sized (a picture's grid, a video's number of frames), which is all a prompt needs to know of them.
 * Parts are taken exactly where they stand; nothing is added between them.
 */

export type Role = "system" | "user" | "assistant";

/** Rows and columns a picture is cut into; the global view comes on top. */
export type Grid = [rows: number, columns: number];

/** Pixels as the decoders give them: RGB8, [height, width, 3]. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

export interface TextPart {
  type: "text";
  text: string;
}
/** A picture in a prompt: its grid, or null when it is not cut (only the global view). */
export interface ImagePart {
  type: "image";
  grid: Grid | null;
}
/** A video in a prompt: one crop a frame. */
export interface VideoPart {
  type: "video";
  frameCount: number;
}
export type MediaPart = ImagePart | VideoPart;
export type Part = TextPart | MediaPart;

/**
 * One turn. `ids` of an assistant turn are the ids it was generated as (without the closing markers): they are kept as they are, since
 * tokenizing the text again may give others and would make the KV cache of the turn useless.
 */
export interface Message<P extends Part = Part> {
  role: Role;
  content: string | P[];
  ids?: readonly number[];
}

/** Demuxer (ffmpeg's name) of a clip, or an animated picture format. */
export type Container = "mov" | "matroska" | "avi" | "gif" | "webp";

/** A medium that was opened far enough to know what it is. A file is read when its pixels are needed. */
export type Source = {
  /** What to call it in messages. */
  name: string;
  /** Animated GIF and WebP are images, too, and can be opened as clips: they have a container. */
  kind: "image" | "video";
  container: Container | null;
} & ({ path: string; bytes?: undefined } | { bytes: Uint8Array; path?: undefined });

/** Where a medium is: a path or data: URL, its bytes, or an opened source. */
export type InputMedium = { path: string } | { data: Uint8Array; name?: string } | { source: Source };
export type InputImage = { type: "image" } & InputMedium;
/** A video, or the paths of its frames. */
export type InputVideo = { type: "video" } & (InputMedium | { frames: string[] });
export type InputPart = TextPart | InputImage | InputVideo;
export interface InputMessage {
  role: Role;
  content: string | InputPart[];
}
