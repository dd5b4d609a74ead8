import { stat } from "node:fs/promises";
import { formatBytes } from "../../format.js";
import { sampleVideo } from "../../media/frames.js";
import { readImage, restrictLoaders } from "../../media/image.js";
import { openSource } from "../../media/source.js";
import type { Source } from "../../prompt/messages.js";
import type { Output } from "../output.js";
import { type PreviewFlags, preview, wantsPreview } from "../preview/show.js";

/** Describes a picture or video as a chat would see it. Throws FileError if it can't be decoded. */
export async function describeMedium(
  file: string,
  flags: PreviewFlags & { json?: boolean },
  out: Output,
): Promise<void> {
  restrictLoaders();
  const source = await openSource(file);
  const { size: bytes } = await stat(file);
  const about = source.kind === "image" ? await aboutPicture(source) : await aboutVideo(source);
  if (flags.json) return out.json({ path: file, kind: source.kind, bytes, ...about });
  await preview([source], { ...flags, preview: await wantsPreview(flags.preview) }, out);
  out.heading(file);
  const row = (label: string, text: string): void => out.line(`  ${label.padEnd(14)} ${text}`);
  row("kind", source.kind === "image" ? "picture" : `video, ${(about as Video).codec}`);
  row("size", `${about.width} x ${about.height} pixels, ${formatBytes(bytes)}`);
  if (source.kind === "image") return;
  const { frames, fps, duration, looked_at: chosen } = about as Video;
  row("length", `${duration.toFixed(1)} s, ${frames} frames, ${fps.toFixed(2)} a second`);
  row("looked at", `frames ${chosen.join(" ")}`);
}

interface Picture {
  width: number;
  height: number;
}
interface Video extends Picture {
  codec: string;
  frames: number;
  fps: number;
  /** Seconds. */
  duration: number;
  /** The frames that a chat shows the model by default. */
  looked_at: number[];
}

async function aboutPicture(source: Source): Promise<Picture> {
  const { width, height } = await readImage(source);
  return { width, height };
}

async function aboutVideo(source: Source): Promise<Video> {
  const clip = await sampleVideo(source);
  try {
    const { width, height, codec, frames, fps, duration } = clip.info;
    return { width, height, codec, frames, fps, duration, looked_at: clip.frames.map(({ index }) => index) };
  } finally {
    await clip.close();
  }
}
