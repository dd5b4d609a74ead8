import type { Owl } from "../../chat/owl.js";
import type { ScoreOptions, Scores, YesNoScores } from "../../chat/score.js";
import type { InputMessage } from "../../prompt/messages.js";

/** A question and the answers to score; without candidates yes and no are. */
export interface Task {
  messages: InputMessage[];
  candidates: readonly string[] | undefined;
  options: ScoreOptions;
}

/** The scores of a task: `candidates` or `yes`, `no` and `spellings`. */
export type Outcome =
  | { candidates: Scores["candidates"]; best: string }
  | Pick<YesNoScores, "yes" | "no" | "spellings">;

/** A task's outcome as it is printed. */
export interface Scored {
  outcome: Outcome;
  media: Scores["media"];
  usage: Scores["usage"];
}

export async function scoreTask(owl: Owl, { messages, candidates, options }: Task): Promise<Scored> {
  if (candidates === undefined) {
    const { media, usage, ...outcome } = await owl.yesNo(messages, options);
    return { outcome, media, usage };
  }
  const { candidates: scored, media, usage } = await owl.score(messages, candidates, options);
  const best = scored.reduce((a, b) => (b.logprob > a.logprob ? b : a)).text;
  return { outcome: { candidates: scored, best }, media, usage };
}
