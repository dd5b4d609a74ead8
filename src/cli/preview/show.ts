import { readConfig } from "../../config.js";
import { UserError } from "../../errors.js";
import type { DecoderChoice } from "../../media/video.js";
import type { Source } from "../../prompt/messages.js";
import type { Output } from "../output.js";
import { type Box, boxOf, hasTrueColor, type Protocol, protocolOf, scaledBy } from "./terminal.js";

export interface PreviewFlags {
  preview?: boolean;
  quiet?: boolean;
  decoder?: DecoderChoice;
}

/** Pictures that are shown; the others are counted. */
const maxPictures = 4;

/**
 * Whether the user wants to see pictures: by --preview or --no-preview, else by the setting of that name. It is read wherever stderr goes, so that
 * a wrong config file is told in a pipe as on a terminal. Throws FileError and UsageError.
 */
export async function wantsPreview(flag: boolean | undefined): Promise<boolean> {
  return flag ?? (await readConfig()).preview ?? false;
}

/**
 * Shows pictures and the first frames of videos on stderr, if `preview` says so and stderr is a terminal that may get them. What can't be decoded is passed over: the work that follows says why.
 */
export async function preview(sources: readonly Source[], flags: PreviewFlags, out: Output): Promise<void> {
  const stream = process.stderr;
  const protocol = flags.quiet ? undefined : protocolOf(stream);
  if (protocol === undefined || sources.length === 0 || !flags.preview) return;
  const shown = sources.slice(0, maxPictures);
  const box = boxOf(stream, protocol, shown.length);
  for (const source of shown) {
    try {
      stream.write(await picture(source, protocol, box, flags.decoder));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  if (sources.length > shown.length) out.note(`and ${sources.length - shown.length} more`);
}

async function picture(
  source: Source,
  protocol: Protocol,
  box: Box,
  decoder: DecoderChoice | undefined,
): Promise<string> {
  const { pngOf, thumbnail } = await import("../../media/thumbnail.js");
  const { blocksPicture, iterm2Picture, kittyPicture } = await import("./protocols.js");
  const small = await thumbnail(source, { ...box, decoder });
  if (protocol === "blocks") return blocksPicture(small, hasTrueColor());
  const png = await pngOf(small);
  return protocol === "kitty" ? kittyPicture(png, scaledBy(box, small)) : iterm2Picture(png, scaledBy(box, small));
}

/** The opened media of parts, in order. */
export function sourcesOf(parts: readonly object[]): Source[] {
  return parts.flatMap((part) => ("source" in part ? [part.source as Source] : []));
}
