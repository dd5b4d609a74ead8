/** Small pictures of media, for people to see. */
import sharp from "sharp";
import { FileError } from "../errors.js";
import type { RgbImage, Source } from "../prompt/messages.js";
import { sampleVideo } from "./frames.js";
import { readImage } from "./image.js";
import type { DecoderChoice } from "./video.js";

export interface ThumbnailOptions {
  /** The box that it fits into, in pixels. It is never larger than the picture. */
  maxWidth: number;
  maxHeight: number;
  decoder?: DecoderChoice | undefined;
}

/** Shrinks a picture, or the first frame of a video, into a box. Throws FileError. */
export async function thumbnail(source: Source, options: ThumbnailOptions): Promise<RgbImage> {
  const { width, height, data } = await firstPicture(source, options.decoder);
  const scale = Math.min(1, options.maxWidth / width, options.maxHeight / height);
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const small = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ ...size, fit: "fill" })
    .raw()
    .toBuffer();
  return { ...size, data: small };
}

async function firstPicture(source: Source, decoder: DecoderChoice = "auto"): Promise<RgbImage> {
  if (source.kind === "image") return readImage(source);
  const clip = await sampleVideo(source, { decoder, frames: [0] });
  try {
    for await (const frame of clip.read()) return frame.image;
    throw new FileError(`${source.name} has no frame that can be read.`);
  } finally {
    await clip.close();
  }
}

/** Encodes a picture as PNG. */
export function pngOf({ width, height, data }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
