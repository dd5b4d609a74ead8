import type { ScoreOptions } from "../../chat/score.js";
import {
  type ChatFlags,
  chatOptions,
  freeModelFlags,
  type MediaFlags,
  type ModelFlags,
  type PromptFlags,
} from "../chat/flags.js";
import { freeRowFlags, type RowFlags } from "../row-options.js";

/** The options of `owl3 score` as commander parses them. */
export interface ScoreFlags extends ModelFlags, PromptFlags, MediaFlags, RowFlags, Pick<ChatFlags, "quiet" | "json"> {
  candidate?: string[];
  candidates?: string;
  letters?: boolean;
  whole?: boolean;
  yesNo?: boolean;
  shows?: string;
  question?: string;
  each?: boolean;
  csv?: boolean;
}

/** Options that change no score; a run with others of them may go on with a results file. */
export const freeFlags: ReadonlySet<string> = new Set<keyof ScoreFlags>([
  ...freeModelFlags,
  ...freeRowFlags,
  ...(["each", "csv", "json", "quiet"] as const),
]);

export function scoreOptions(flags: ScoreFlags): ScoreOptions {
  return { ...chatOptions(flags), end: flags.whole, letters: flags.letters };
}
