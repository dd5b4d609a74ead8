/** An entry of the log. */

export interface LoggedMedium {
  /** Absolute; in a session the name as it was given. */
  path: string;
  sha256: string;
  bytes: number;
}

export interface LogEntry {
  /** When the answer ended, in ISO 8601. */
  time: string;
  model: string;
  /** The session that it belongs to. */
  session?: string;
  system?: string;
  prompt: string;
  media: LoggedMedium[];
  answer: string;
  /** How the answer ended: "stop", "length", or "stopped" by the user. */
  finish: string;
  usage?: { prompt_tokens: number; completion_tokens: number; crops: number };
  /** From the question to the end of the answer. */
  ms: number;
}

/** Reads a line of the log; undefined if it is no entry, such as the torn last line of a full disk. */
export function parseEntry(line: string): LogEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { time, model, prompt, answer, media, session, finish, ms } = value as Partial<LogEntry>;
  const texts = [time, model, prompt, answer, finish].every((text) => typeof text === "string");
  const named = session === undefined || typeof session === "string";
  const sound = texts && named && typeof ms === "number" && Array.isArray(media) && media.every(isMedium);
  return sound && !Number.isNaN(Date.parse(time as string)) ? (value as LogEntry) : undefined;
}

function isMedium(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { path, sha256 } = value as Partial<LoggedMedium>;
  return typeof path === "string" && typeof sha256 === "string";
}
