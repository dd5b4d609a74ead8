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

/** A picture with its pixels. `source` is what the user called it, for messages and `--json`. */
export interface LoadedImage extends ImagePart {
  source: string;
  image: RgbImage;
}
/** A video with its sampled frames; `frameCount` is `frames.length`. */
export interface LoadedVideo extends VideoPart {
  source: string;
  frames: RgbImage[];
}
export type LoadedMedia = LoadedImage | LoadedVideo;

/**
 * One turn. `ids` of an assistant turn are the ids it was generated as (without the closing markers): they are kept as they are, since
 * tokenizing the text again may give others and would make the KV cache of the turn useless.
 */
export interface Message<P extends Part = Part> {
  role: Role;
  content: string | P[];
  ids?: readonly number[];
}

export type InputImage = { type: "image"; path: string } | { type: "image"; data: Uint8Array; name?: string };
export type InputVideo =
  | { type: "video"; path: string }
  | { type: "video"; data: Uint8Array; name?: string }
  | { type: "video"; frames: string[] };
export type InputPart = TextPart | InputImage | InputVideo;
export interface InputMessage {
  role: Role;
  content: string | InputPart[];
}

/** Crops (slots of the prompt, images for the vision tower) that a picture or video takes. */
export function cropsOf(part: MediaPart): number {
  if (part.type === "video") return part.frameCount;
  return part.grid ? part.grid[0] * part.grid[1] + 1 : 1;
}

/** The media of a conversation in the order of their slots. */
export function mediaOf<P extends Part>(messages: readonly Message<P>[]): Exclude<P, TextPart>[] {
  return messages.flatMap((message) =>
    typeof message.content === "string"
      ? []
      : message.content.filter((part): part is Exclude<P, TextPart> => part.type !== "text"),
  );
}
