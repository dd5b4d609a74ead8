import { readFile } from "node:fs/promises";
import { FileError, UsageError } from "../../errors.js";
import type { InputImage, InputMessage, InputPart, InputVideo } from "../../prompt/messages.js";
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

/** Reads stdin to its end; `what` names it in errors. */
export async function readStdin(what: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maxInput) throw new FileError(`${what} on stdin is larger than ${maxInput} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Reads UTF-8 text from stdin ("-") or a file; `what` names it in errors. Throws FileError or UsageError. */
export async function readText(path: string, what: string): Promise<string> {
  const bytes =
    path === "-"
      ? await readStdin(what)
      : await readFile(path).catch((error: NodeJS.ErrnoException) => {
          const why =
            error.code === "ENOENT" ? "no such file" : error.code === "EISDIR" ? "it is a folder" : error.message;
          throw new FileError(`${path}: ${why}.`, { cause: error });
        });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UsageError(`${what} is not UTF-8 text${path === "-" ? "" : ` (${path})`}.`, { cause: error });
  }
}
