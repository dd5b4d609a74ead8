import { readFile } from "node:fs/promises";
import { FileError, systemReason, UsageError } from "../../errors.js";
import { formatBytes } from "../../format.js";
import { isPicture } from "../../media/sequence.js";
import { maxBytes, openSource } from "../../media/source.js";
import { containerOf } from "../../media/video/container.js";
import type { InputImage, InputMessage, InputPart, InputVideo, Source } from "../../prompt/messages.js";
import type { Session } from "../../sessions/session.js";

/** The input of a chat: earlier turns, media, and the question, if there is one. */
export interface ChatInput {
  model: string;
  messages: InputMessage[];
  media: (InputImage | InputVideo)[];
  question: InputPart[] | undefined;
  /** Keeps the conversation. */
  session?: Session | undefined;
}

/** Limit for stdin and --messages files in bytes: pictures and conversations are far smaller. */
const maxInput = 256 * 1024 * 1024;

/** The input of a pipe that no `-` asked for. */
export interface Piped {
  /** Without line breaks at its end; absent if there was none. */
  text?: string;
  /** A picture or video, told by its first bytes. */
  source?: Source;
}

/** After this time, a person who waits is told what for. */
const patienceMs = 2000;

/** Reads what is on stdin, unless that is a terminal. `onWait` is called if it takes long to end. Throws FileError. */
export async function readPiped(onWait: () => void): Promise<Piped> {
  if (process.stdin.isTTY) return {};
  const timer = setTimeout(onWait, patienceMs);
  const bytes = await readStdin("the input", maxBytes).finally(() => clearTimeout(timer));
  if (bytes.length === 0) return {};
  const text = utf8(bytes);
  if (text === undefined || isPicture(bytes) || containerOf(bytes))
    return { source: await openSource(bytes, { name: "stdin" }) };
  return text.trim() === "" ? {} : { text: text.replace(/[\r\n]+$/, "") };
}

/** Reads stdin to its end; `what` names it in errors. */
export async function readStdin(what: string, limit = maxInput): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > limit) throw new FileError(`${what} on stdin is larger than ${formatBytes(limit)}.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Reads UTF-8 text from stdin ("-") or a file; `what` names it in errors. Throws FileError or UsageError. */
export async function readText(path: string, what: string): Promise<string> {
  const bytes =
    path === "-"
      ? await readStdin(what)
      : await readFile(path).catch((error) => {
          throw new FileError(`${path}: ${systemReason(error)}.`, { cause: error });
        });
  const text = utf8(bytes);
  if (text === undefined) throw new UsageError(`${what} is not UTF-8 text${path === "-" ? "" : ` (${path})`}.`);
  return text;
}

/** Decodes UTF-8; undefined if it is something else. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
