/** Decodes animated GIF and WebP with sharp: FFmpeg reads these formats only in part, and frames do not depend on the chosen decoder. */
import sharp from "sharp";
import { FileError } from "../../errors.js";
import { toRgb } from "../image.js";
import type { Clip, ClipFrame } from "./clip.js";
import type { Limits } from "./probe.js";

/** Bytes of decoded frames that are held at a time. */
const chunkBytes = 32 << 20;

export async function openAnimation(file: string, name: string, codec: string, limits: Limits): Promise<Clip> {
  const options = { ignoreIcc: true, limitInputPixels: limits.pixels, sequentialRead: true };
  const meta = await sharp(file, options)
    .metadata()
    .catch((error: unknown) => {
      throw new FileError(`${name} can't be read as an animation.`, { cause: error });
    });
  const width = meta.width;
  const height = meta.pageHeight ?? meta.height;
  const frames = meta.pages ?? 1;
  if (width * height > limits.pixels)
    throw new FileError(
      `${name} has frames of ${width}x${height}, more than the ${limits.pixels} pixels that are decoded.`,
    );
  if (frames > limits.frames) throw new FileError(`${name} has more than ${limits.frames} frames.`);
  const times = new Float64Array(frames);
  let total = 0; // milliseconds, which are whole
  for (let k = 0; k < frames; k++) {
    times[k] = total / 1000;
    const delay = meta.delay?.[k] ?? 0;
    total += delay < 20 ? 100 : delay; // browsers and FFmpeg replace implausibly short delays, too
  }
  const duration = total / 1000;
  return {
    info: { codec, frames, fps: frames / duration, width, height, rotation: 0, duration },
    times,
    decoder: "sharp",
    async *decode(indices, signal) {
      const perChunk = Math.max(1, Math.floor(chunkBytes / (width * height * 4)));
      for (let at = 0; at < indices.length; ) {
        signal?.throwIfAborted();
        const first = indices[at] as number;
        const wanted = indices.slice(at).filter((k) => k < first + perChunk);
        at += wanted.length;
        const last = wanted.at(-1) as number;
        yield* pages(first, last - first + 1, wanted);
      }
    },
    async close() {},
  };

  async function* pages(page: number, count: number, wanted: number[]): AsyncGenerator<ClipFrame, void, void> {
    const { data, info } = await sharp(file, { ...options, limitInputPixels: false, page, pages: count })
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true })
      .catch((error: unknown) => {
        throw new FileError(`${name} is damaged: its frame ${page} can't be decoded.`, { cause: error });
      });
    const size = width * height * info.channels;
    for (const index of wanted) {
      const rgb = toRgb(data.slice((index - page) * size, (index - page + 1) * size), info.channels);
      yield { index, time: times[index] as number, image: { width, height, data: rgb } };
    }
  }
}
