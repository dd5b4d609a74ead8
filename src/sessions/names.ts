/** Names and folders of sessions. Every path that is made from a name or a hash is made here. */
import path from "node:path";
import { UsageError } from "../errors.js";
import { dataFolder } from "../folders.js";

/** The folder of all sessions. */
export function sessionsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(dataFolder(env), "sessions");
}

const maxNameBytes = 100;

/** Whether a text can name a session: letters and digits of any script, `-` and `_` inside. Such a text can't form a path outside the folder. */
export function isSessionName(text: string): boolean {
  return (
    /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_-]*$/u.test(text) &&
    text === text.normalize("NFC") &&
    Buffer.byteLength(text) <= maxNameBytes &&
    !/^(con|prn|aux|nul|com\d|lpt\d)$/i.test(text)
  );
}

/** Checks the name of a session and returns it in the form that its folder has. Throws UsageError. */
export function sessionName(text: string): string {
  const name = text.normalize("NFC");
  if (!isSessionName(name))
    throw new UsageError(
      `${JSON.stringify(text.slice(0, 100))} can't name a session: a name has letters, digits, - and _, and at most ${maxNameBytes} bytes.`,
    );
  return name;
}

/** The paths of a session's files. Throws UsageError if the name is none. */
export function sessionPaths(root: string, text: string) {
  const folder = path.join(root, sessionName(text));
  return {
    folder,
    record: path.join(folder, "session.json"),
    lock: path.join(folder, "session.lock"),
    media: path.join(folder, "media"),
  };
}

export type SessionPaths = ReturnType<typeof sessionPaths>;

const hash = /^[0-9a-f]{64}$/;
export const isHash = (text: unknown): text is string => typeof text === "string" && hash.test(text);

/** The file of a kept medium, by the SHA-256 of its bytes. */
export function mediumFile({ media }: SessionPaths, sha256: string): string {
  if (!isHash(sha256)) throw new Error("a medium is named by a hash"); // the record was checked
  return path.join(media, sha256);
}
