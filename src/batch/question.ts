import type { AskOptions } from "../chat/options.js";
import type { InputMessage } from "../prompt/messages.js";

/** A file or data: URL of a row. */
export interface RowMedium {
  where: string;
  /** Absent: its first bytes tell. */
  kind?: "image" | "video";
}

/**
 * The question of a row: media and a prompt, or a whole conversation. `literal`: the prompt has no place for media, though a value that was put into it may
 * look like one.
 */
export type Question = { options: AskOptions } & (
  | { media: RowMedium[]; prompt: string; system?: string | undefined; literal: boolean }
  | { messages: InputMessage[] }
);
