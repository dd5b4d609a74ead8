/** Content hashes of media. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Source } from "../prompt/messages.js";
import { unreadable } from "./head.js";

export interface ContentHash {
  /** In hexadecimal digits. */
  sha256: string;
  bytes: number;
}

/** Hashes all bytes of an opened medium. Throws FileError. */
export async function contentHash({ name, bytes, path }: Source): Promise<ContentHash> {
  const hash = createHash("sha256");
  if (bytes) return { sha256: hash.update(bytes).digest("hex"), bytes: bytes.length };
  let size = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
  } catch (error) {
    throw unreadable(name, error as NodeJS.ErrnoException);
  }
  return { sha256: hash.digest("hex"), bytes: size };
}
