/** Opens a medium: a path, "-" for stdin, a data: URL, or bytes. Its kind is told by its first bytes, never by its name. */
import { readFile } from "node:fs/promises";
import { FileError, UsageError } from "../errors.js";
import type { Source } from "../prompt/messages.js";
import { pathOf } from "../prompt/parse.js";
import { readMediumHead, unreadable } from "./head.js";
import { isPicture } from "./sequence.js";
import { unsupported } from "./unsupported.js";
import { containerOf, sniffBytes } from "./video/container.js";

/** Largest size of a picture file, of stdin and of a data: URL, in bytes. */
export const maxBytes = 512 * 2 ** 20;

export interface SourceOptions {
  name?: string;
  stdin?: AsyncIterable<Uint8Array>;
}

/** Opens a medium and identifies it by its first bytes. Throws FileError or UsageError. */
export async function openSource(medium: string | Uint8Array, options: SourceOptions = {}): Promise<Source> {
  if (typeof medium !== "string") return identify(medium, options.name ?? "the picture", { bytes: medium });
  if (medium === "-") {
    const bytes = await readAll(options.stdin ?? process.stdin);
    return identify(bytes, options.name ?? "stdin", { bytes });
  }
  if (/^data:/i.test(medium)) {
    const bytes = dataUrl(medium);
    return identify(bytes, options.name ?? "the data: URL", { bytes });
  }
  if (/^file:/i.test(medium)) return openSource(pathOf(medium, "a picture or video"), options);
  if (/^https?:\/\//i.test(medium))
    throw new UsageError(`${shortened(medium)} is an address: nothing is fetched, so save the file and give its path.`);
  const name = options.name ?? medium;
  const head = await readMediumHead(medium, name);
  const source = identify(head.bytes, name, { path: medium });
  if (source.kind === "image" && head.size > maxBytes) throw tooLarge(name);
  return source;
}

/** Reads all bytes of an opened medium. */
export async function readBytes(source: Source): Promise<Uint8Array> {
  if (source.bytes) return source.bytes;
  return readFile(source.path).catch((error) => {
    throw unreadable(source.name, error);
  });
}

function identify(head: Uint8Array, name: string, rest: { path: string } | { bytes: Uint8Array }): Source {
  if (head.length === 0) throw new FileError(`${name} is empty.`);
  if ("bytes" in rest && head.length > maxBytes) throw tooLarge(name);
  const start = head.subarray(0, sniffBytes);
  const container = containerOf(start);
  if (isPicture(start)) return { name, kind: "image", container, ...rest };
  if (container) return { name, kind: "video", container, ...rest };
  throw new FileError(
    unsupported(start, name) ??
      `${name} is neither a picture (JPEG, PNG, WebP, GIF, AVIF, TIFF) nor a video (MP4, MOV, WebM, MKV, AVI).`,
  );
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge("stdin");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The bytes of a data: URL. Throws UsageError or FileError. */
export function dataUrl(url: string): Uint8Array {
  const comma = url.indexOf(",");
  if (comma < 0) throw new UsageError("a data: URL lacks its comma.");
  if (url.length > maxBytes) throw tooLarge("the data: URL");
  const payload = url.slice(comma + 1);
  if (/;base64$/i.test(url.slice(0, comma))) return Buffer.from(percentDecoded(payload), "base64");
  return Buffer.from(percentDecoded(payload), "latin1");
}

// Percent escapes stand for bytes, not for UTF-8 text.
const percentDecoded = (text: string) =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

const shortened = (text: string) => (text.length > 80 ? `${text.slice(0, 77)}...` : text);
const tooLarge = (name: string) => new FileError(`${name} is larger than ${maxBytes / 2 ** 20} MiB.`);
