/**
 * What a file is, from its first bytes and never from its name: the decoder is told which demuxer to use, so that nothing a file holds can
 * choose one that opens other files or addresses.
 */
import type { Container } from "../../prompt/messages.js";

export type { Container };

/** Bytes that containerOf() wants to see. */
export const SNIFF_BYTES = 64;

/** The container of a clip by its first bytes (SNIFF_BYTES of them or the whole file); null when it is none that is decoded here. */
export function containerOf(head: Uint8Array): Container | null {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, SNIFF_BYTES)).toString("latin1");
  const tag = text.slice(4, 8);
  if (tag === "ftyp") return pictureBrands.has(text.slice(8, 12)) ? null : "mov";
  if (movAtoms.has(tag)) return "mov";
  if (text.startsWith("\x1a\x45\xdf\xa3")) return "matroska";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "AVI ") return "avi";
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return "gif";
  // A WebP picture is a clip only with the animation flag of its VP8X chunk.
  if (text.startsWith("RIFF") && text.slice(8, 16) === "WEBPVP8X" && (text.charCodeAt(20) & 2) !== 0) return "webp";
  return null;
}

/** True for text that names other files or addresses to play (HLS, concat, DASH, XSPF, PLS): never opened. */
export function isPlaylist(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, SNIFF_BYTES))
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart();
  return /^(#EXTM3U|ffconcat|\[playlist\]|<MPD|<\?xml|<playlist|<smil|file\s+')/i.test(text);
}

// HEIF and AVIF share MP4's first box but are pictures.
const pictureBrands = new Set(["avif", "avis", "heic", "heix", "heim", "heis", "hevc", "mif1", "msf1"]);
// QuickTime files from before the ftyp box start with any of these.
const movAtoms = new Set(["moov", "mdat", "wide", "free", "skip", "pnot"]);
