/**
 * Identifies the container of a file by its first bytes, never by its name. The decoder is forced to use that demuxer, so that no content of
 * a file can choose one that opens other files or addresses.
 */
import type { Container } from "../../prompt/messages.js";

export type { Container };

/** Bytes that containerOf() needs. */
export const sniffBytes = 64;

/** The container of a clip by its first {@link sniffBytes} bytes (or the whole of a shorter file); null for one that is not supported. */
export function containerOf(head: Uint8Array): Container | null {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, sniffBytes)).toString("latin1");
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

/** Whether a file is a playlist (HLS, concat, DASH, XSPF, PLS), which names other files or addresses and is never opened. */
export function isPlaylist(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, sniffBytes))
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart();
  return /^(#EXTM3U|ffconcat|\[playlist\]|<MPD|<\?xml|<playlist|<smil|file\s+')/i.test(text);
}

// HEIF and AVIF pictures begin with the same box as MP4.
const pictureBrands = new Set(["avif", "avis", "heic", "heix", "heim", "heis", "hevc", "mif1", "msf1"]);
// Older QuickTime files lack the ftyp box and start with one of these.
const movAtoms = new Set(["moov", "mdat", "wide", "free", "skip", "pnot"]);
