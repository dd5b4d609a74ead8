import type { ScoreOptions } from "../../chat/score.js";
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
}

export function scoreOptions(flags: ScoreFlags): ScoreOptions {
  return { ...chatOptions(flags), end: flags.whole, letters: flags.letters };
}
