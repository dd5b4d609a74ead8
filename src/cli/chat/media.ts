import { FileError } from "../../errors.js";
import { openSource } from "../../media/source.js";
import type { InputImage, InputVideo } from "../../prompt/messages.js";

/**
 * What a MEDIA argument names, by its first bytes and never by its name; "-" is read here. An animation is a picture, its first, unless a
 * video is asked for.
 */
export async function mediaPart(medium: string, as?: "image" | "video"): Promise<InputImage | InputVideo> {
  const { kind, animated, name, bytes } = await openSource(medium);
  const type = animated && as === "video" ? "video" : kind;
  if (as === "video" && type === "image")
    throw new FileError(`${name} is a picture, not a video: show it with --image ${name}, or use owl3 chat.`);
  if (as === "image" && type === "video") throw new FileError(`${name} is a video, not a picture.`);
  const where = bytes ? { data: bytes, name } : { path: medium };
  return type === "video" ? { type: "video", ...where } : { type: "image", ...where };
}
