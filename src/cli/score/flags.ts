import type { ScoreOptions } from "../../chat/score.js";
import type { Shard } from "../../rows/shard.js";
import { type ChatFlags, chatOptions, type MediaFlags, type ModelFlags, type PromptFlags } from "../chat/flags.js";

/** The options of `owl3 score` as commander parses them. */
export interface ScoreFlags extends ModelFlags, PromptFlags, MediaFlags, Pick<ChatFlags, "quiet" | "json"> {
  candidate?: string[];
  candidates?: string;
  letters?: boolean;
  whole?: boolean;
  yesNo?: boolean;
  shows?: string;
  question?: string;
  each?: boolean;
  out?: string;
  csv?: boolean;
  mediaRoot?: string;
  concurrency: number;
  retryErrors?: boolean;
  maxErrors?: number;
  shard?: Shard;
}

/** Options that change no score; a run with others of them may go on with a results file. */
export const freeFlags: ReadonlySet<string> = new Set<keyof ScoreFlags>([
  ...(["model", "threads", "device", "cache", "repackCache", "quiet", "concurrency"] as const),
  ...(["each", "out", "csv", "json", "mediaRoot", "retryErrors", "maxErrors", "shard", "decoder"] as const),
]);

export function scoreOptions(flags: ScoreFlags): ScoreOptions {
  return { ...chatOptions(flags), end: flags.whole, letters: flags.letters };
}
