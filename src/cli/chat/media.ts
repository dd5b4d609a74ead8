import { FileError } from "../../errors.js";
import { counted } from "../../format.js";
import { sampleVideo } from "../../media/frames.js";
import { readImage } from "../../media/image.js";
import { expandMedia } from "../../media/sequence.js";
import { openSource } from "../../media/source.js";
import type { InputImage, InputVideo, Source } from "../../prompt/messages.js";
import { type Output, tellSkipped } from "../output.js";
import { type ChatFlags, type MediaFlags, videoOptions } from "./flags.js";

/**
 * Opens a MEDIA argument and identifies it by its first bytes, never by its name; "-" is read here. An animation counts as a picture, its
 * first frame, unless a video is asked for.
 */
export async function mediaPart(medium: string, as?: "image" | "video"): Promise<InputImage | InputVideo> {
  return partOf(await openSource(medium), as);
}

/**
 * Opens MEDIA arguments, folders and patterns among them. A file of a folder that can't be decoded is left out with a warning, since it was not
 * asked for by name; each is decoded once for that.
 */
export async function mediaParts(
  args: readonly string[],
  as: "image" | "video" | undefined,
  flags: ChatFlags,
  out: Output,
): Promise<(InputImage | InputVideo)[]> {
  const files = await expandMedia(args, {
    ...{ only: as, recursive: flags.recursive },
    check: async (file) => {
      const part = await mediaPart(file, as);
      if (!("source" in part)) return;
      if (part.type === "image") await readImage(part.source);
      else await (await sampleVideo(part.source, videoOptions(flags))).close();
    },
    onSkip: tellSkipped(out),
    onSubfolders: (folder, count) =>
      out.warn(`${folder}: ${counted(count, "subfolder")} left out; --recursive looks into subfolders.`),
  });
  const parts: (InputImage | InputVideo)[] = [];
  for (const file of files) parts.push(await mediaPart(file, as));
  return parts;
}

/** Says which options of videos have nothing to act on: none of the parts is a video. */
export function tellUnusedVideoOptions(parts: readonly { type: string }[], flags: MediaFlags, out: Output): void {
  if (parts.some(({ type }) => type === "video")) return;
  const { fps, maxFrames, start, end, frames } = flags;
  const given = { "--fps": fps, "--max-frames": maxFrames, "--start": start, "--end": end, "--frames": frames };
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (names.length > 0) out.warn(`there is no video here, so ${names.join(", ")} changed nothing.`);
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
