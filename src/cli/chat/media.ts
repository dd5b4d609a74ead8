import { FileError } from "../../errors.js";
import { openSource } from "../../media/source.js";
import type { InputImage, InputVideo, Source } from "../../prompt/messages.js";

/**
 * Opens a MEDIA argument and identifies it by its first bytes, never by its name; "-" is read here. An animation counts as a picture, its
 * first frame, unless a video is asked for.
 */
export async function mediaPart(medium: string, as?: "image" | "video"): Promise<InputImage | InputVideo> {
  return partOf(await openSource(medium), as);
}

/** Makes a part of an opened medium; `as` is what it must be. */
export function partOf(source: Source, as?: "image" | "video"): InputImage | InputVideo {
  const { kind, container, name } = source;
  const type = container && as === "video" ? "video" : kind;
  if (as === "video" && type === "image")
    throw new FileError(`${name} is a picture, not a video: show it with --image ${name}, or use owl3 chat.`);
  if (as === "image" && type === "video") throw new FileError(`${name} is a video, not a picture.`);
  return type === "video" ? { type, source } : { type, source };
}
