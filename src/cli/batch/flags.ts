import type { SidecarKind } from "../../batch/sidecar.js";
import { type AnswerFlags, freeModelFlags, type MediaFlags, type ModelFlags, type PromptFlags } from "../chat/flags.js";
import { freeRowFlags, type RowFlags } from "../row-options.js";

/** The options of `owl3 batch` as commander parses them. */
export interface BatchFlags extends ModelFlags, PromptFlags, AnswerFlags, MediaFlags, RowFlags {
  jsonl?: boolean;
  sidecar?: SidecarKind;
  ordered?: boolean;
  stdin?: boolean;
  format: "rows" | "openai";
  merge?: boolean;
  relay?: boolean;
  quiet?: boolean;
}

/** Options that change no answer; a run with others of them may go on with a results file. An option that nobody has listed here changes answers. */
export const freeFlags: ReadonlySet<string> = new Set<keyof BatchFlags>([
  ...freeModelFlags,
  ...freeRowFlags,
  ...(["draft", "quiet", "ordered", "jsonl", "sidecar", "stdin", "merge", "relay"] as const),
]);
