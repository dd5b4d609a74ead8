import type { Form } from "../../batch/raw.js";
import type { SidecarKind } from "../../batch/sidecar.js";
import type { Shard } from "../../rows/shard.js";
import type { AnswerFlags, MediaFlags, ModelFlags, PromptFlags } from "../chat/flags.js";

/** The options of `owl3 batch` as commander parses them. */
export interface BatchFlags extends ModelFlags, PromptFlags, AnswerFlags, MediaFlags {
  out?: string;
  jsonl?: boolean;
  sidecar?: SidecarKind;
  ordered?: boolean;
  input?: Form;
  null?: boolean;
  stdin?: boolean;
  map: [field: string, column: string][];
  format: "rows" | "openai";
  mediaRoot?: string;
  concurrency: number;
  retryErrors?: boolean;
  maxErrors?: number;
  shard?: Shard;
  merge?: boolean;
  relay?: boolean;
  quiet?: boolean;
}

/** Options that change no answer; a run with others of them may go on with a results file. An option that nobody has listed here changes answers. */
export const freeFlags: ReadonlySet<string> = new Set<keyof BatchFlags>([
  ...(["model", "threads", "device", "cache", "repackCache", "draft", "quiet", "concurrency", "ordered"] as const),
  ...(["out", "jsonl", "sidecar", "input", "null", "stdin", "mediaRoot", "gpuLayers"] as const),
  ...(["retryErrors", "maxErrors", "shard", "merge", "relay"] as const),
]);
