/** Reads the first bytes of a file, which identify its format. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { FileError, systemReason } from "../errors.js";
import { sniffBytes } from "./video/container.js";

export interface Head {
  /** The first {@link sniffBytes} bytes, or the whole of a shorter file; empty if it is not a regular file. */
  bytes: Uint8Array;
  /** Bytes of the whole file. */
  size: number;
  kind: "file" | "folder" | "other";
}

/** Opening a pipe that nobody writes to would wait for ever without it; where the system has no such flag it has no such pipes. */
const { O_RDONLY, O_NONBLOCK = 0 } = constants;

/** Reads the head of a file; rejects with the system's error. */
export async function readHead(file: string): Promise<Head> {
  const handle = await open(file, O_RDONLY | O_NONBLOCK);
  try {
    const info = await handle.stat();
    const kind = info.isFile() ? "file" : info.isDirectory() ? "folder" : "other";
    if (kind !== "file") return { bytes: new Uint8Array(), size: info.size, kind };
    const bytes = new Uint8Array(sniffBytes);
    const { bytesRead } = await handle.read(bytes, 0, sniffBytes, 0);
    return { bytes: bytes.subarray(0, bytesRead), size: info.size, kind };
  } finally {
    await handle.close();
  }
}

/** Reads the head of a picture or video. Throws FileError, which calls it `name`, if it is empty or no regular file. */
export async function readMediumHead(file: string, name: string): Promise<Head> {
  const head = await readHead(file).catch((error) => {
    throw unreadable(name, error);
  });
  if (head.kind === "folder") throw new FileError(`${name} is a folder, not a picture or video.`);
  if (head.kind === "other") throw new FileError(`${name} is not a regular file.`);
  if (head.bytes.length === 0) throw new FileError(`${name} is empty.`);
  return head;
}

/** Makes the error for a file that the system does not open or read. */
export function unreadable(name: string, error: NodeJS.ErrnoException): FileError {
  const reason =
    error.code === "ENOENT" ? `there is no file ${name}.` : `${name} can't be read: ${systemReason(error)}.`;
  return new FileError(reason, { cause: error });
}
