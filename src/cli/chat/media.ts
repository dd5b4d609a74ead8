import { openSource } from "../../media/source.js";
import type { InputImage, InputVideo } from "../../prompt/messages.js";

/** What a MEDIA argument names, by its first bytes and never by its name; "-" is read here. */
export async function mediaPart(medium: string): Promise<InputImage | InputVideo> {
  const { kind, name, bytes } = await openSource(medium);
  if (kind === "video") return { type: "video", path: medium };
  return bytes ? { type: "image", data: bytes, name } : { type: "image", path: medium };
}
