/**
 * Decodes pictures to RGB8 as Python's PIL gives them with `exif_transpose(Image.open(f)).convert("RGB")`, byte for byte for JPEG (grey,
 * RGB, CMYK), PNG (any kind but 16-bit grey), WebP, GIF and TIFF: EXIF orientation applied, transparency dropped, embedded colour
 * profiles ignored, the first picture of several. These things differ:
 * - 16-bit grey is scaled to 8 bits; PIL clips it, which turns most pictures white.
 * - AVIF with halved chroma is upsampled by another filter, which gives a few levels of difference near sharp edges (4:4:4: at most one level).
 * - Transparent pixels of a GIF may have another colour.
 * - An orientation that only XMP or a text of a PNG tells is not applied.
 * - TIFF of signed samples, of colours that are multiplied by alpha, or of 16-bit CMYK is read as libvips has it.
 */
import sharp from "sharp";
import { FileError } from "../errors.js";
import type { RgbImage, Source } from "../prompt/messages.js";
import { isPicture } from "./sequence.js";
import { openSource, readBytes, type SourceOptions } from "./source.js";
import { unsupported } from "./unsupported.js";

/** The limit is checked before anything is decoded: a small file can hold a huge picture. */
export const maxPixels = 100_000_000;
/** The limit of native/image. */
const maxSide = 2 ** 20;
const timeoutSeconds = 30;

const formats: Record<string, string> = {
  jpeg: "JPEG",
  png: "PNG",
  webp: "WebP",
  gif: "GIF",
  tiff: "TIFF",
  heif: "AVIF",
};

/**
 * Blocks all loaders of libvips but those of supported formats. That holds for the whole process, so the CLI does it; the library does not,
 * since its host may use sharp for other formats. In both cases decodeImage() checks the first bytes before sharp sees them.
 */
export function restrictLoaders(): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({
    operation: ["Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif"].map((name) => `VipsForeignLoad${name}`),
  });
}

/** Opens and decodes a picture: a path, "-", a data: URL or bytes. */
export async function loadImage(medium: string | Uint8Array, options: SourceOptions = {}): Promise<RgbImage> {
  return readImage(await openSource(medium, options));
}

/** Reads and decodes an opened picture. */
export async function readImage(source: Source, limit?: number): Promise<RgbImage> {
  if (source.kind !== "image") throw new FileError(`${source.name} is a video, not a picture.`);
  return decodeImage(await readBytes(source), source.name, limit);
}

/** Decodes a picture of at most `limit` pixels. Throws FileError, which names the file. */
export async function decodeImage(bytes: Uint8Array, name: string, limit = maxPixels): Promise<RgbImage> {
  if (bytes.length === 0) throw new FileError(`${name} is empty.`);
  if (!isPicture(bytes)) throw new FileError(`${name} is not a picture (JPEG, PNG, WebP, GIF, AVIF, TIFF).`);
  const open = () => sharp(bytes, { ignoreIcc: true, limitInputPixels: maxPixels, failOn: "error", autoOrient: true });
  try {
    const header = await open().metadata();
    const { width = 0, height = 0, format } = header;
    if (!(format in formats)) throw new FileError(`${name} is not a picture (JPEG, PNG, WebP, GIF, AVIF, TIFF).`);
    if (width * height > Math.min(limit, maxPixels) || Math.max(width, height) > maxSide)
      throw new FileError(
        `${name} has ${width} x ${height} pixels; at most ${Math.min(limit, maxPixels) / 1e6} megapixels and sides of ${maxSide} are decoded.`,
      );
    const cmyk = header.space === "cmyk";
    const pipeline = cmyk
      ? open().pipelineColourspace("cmyk").toColourspace("cmyk")
      : open().removeAlpha().toColourspace("srgb");
    const { data, info } = await pipeline
      .timeout({ seconds: timeoutSeconds })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      data: cmyk ? fromCmyk(data, info.channels) : toRgb(data, info.channels),
    };
  } catch (error) {
    if (error instanceof FileError) throw error;
    const foreign = unsupported(bytes, name);
    throw new FileError(foreign ?? `${name} can't be decoded: ${reasonOf(error, isTiff(bytes))}.`, { cause: error });
  }
}

/** Expands grey to RGB; RGB is returned as it is, not copied. */
export function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const out = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) {
    const grey = data[from] as number;
    out[to] = grey;
    out[to + 1] = grey;
    out[to + 2] = grey;
  }
  return out;
}

/** Converts CMYK to RGB as PIL does, without colour management: (255 - ink) * (255 - black) / 255, rounded. */
function fromCmyk(data: Uint8Array, channels: number): Uint8Array {
  const out = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) {
    const white = 255 - (data[from + 3] as number);
    for (let c = 0; c < 3; c++) {
      const t = (data[from + c] as number) * white + 128;
      out[to + c] = Math.max(0, white - (((t >> 8) + t) >> 8));
    }
  }
  return out;
}

/** TIFF has kinds of pixels and layouts that libvips does not read, and it reports them as it reports damage. */
const isTiff = (bytes: Uint8Array): boolean =>
  ["II*\0", "MM\0*"].includes(Buffer.from(bytes.subarray(0, 4)).toString("latin1"));

function reasonOf(error: unknown, tiff: boolean): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/pixel limit/i.test(text)) return `it has more than ${maxPixels / 1e6} megapixels`;
  if (/timeout/i.test(text)) return `it takes longer than ${timeoutSeconds} seconds`;
  if (/premature end|truncated|not enough/i.test(text)) return "the file is cut short";
  if (/unsupported image format|compression format|unblocked|bad seek/i.test(text))
    return "its format is not supported here";
  return tiff ? "it is damaged, or a kind of TIFF that is not read here" : "the file is damaged";
}
