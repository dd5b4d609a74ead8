import type { YesNoScores } from "../../chat/score.js";
import { safeLine } from "../filter.js";
import { percent } from "../format.js";
import type { Output } from "../output.js";
import type { Outcome, Scored } from "./task.js";

/** Prints scores as a table, the likeliest candidate first. */
export function printScores(out: Output, outcome: Outcome): void {
  if ("yes" in outcome) {
    out.heading("probability  answer  summed over");
    for (const answer of ["yes", "no"] as const)
      out.line(`${percent(outcome[answer]).padStart(11)}  ${answer.padEnd(6)}  ${summed(outcome.spellings, answer)}`);
    return;
  }
  out.heading("   share  log-prob  per token  tokens  candidate");
  const ranked = [...outcome.candidates].sort((a, b) => b.logprob - a.logprob);
  for (const { share, logprob, perToken, tokens, letter, text } of ranked) {
    const numbers = [
      percent(share).padStart(8),
      fixed(logprob).padStart(8),
      fixed(perToken).padStart(9),
      String(tokens.length).padStart(6),
    ];
    out.line(`${numbers.join("  ")}  ${letter ? `${letter}. ` : ""}${safeLine(text)}`);
  }
}

/** Prints the answer alone: the likeliest candidate, or the probability of yes. */
export function printAnswer(out: Output, outcome: Outcome): void {
  out.line("yes" in outcome ? outcome.yes.toFixed(6) : outcome.best);
}

/** Three places, without the sign of what rounds to nothing. */
const fixed = (x: number): string => x.toFixed(3).replace(/^-(0\.0+)$/, "$1");

/** '"Yes" 98.1 %, " Yes" 0.4 %' */
function summed(spellings: YesNoScores["spellings"], answer: "yes" | "no"): string {
  return spellings
    .filter((one) => one.answer === answer)
    .map(({ text, probability }) => `${JSON.stringify(text)} ${percent(probability)}`)
    .join(", ");
}

/** Scores as `--json` and lines of JSON hold them. */
export function scoresJson({ outcome, media, usage }: Scored): Record<string, unknown> {
  const scores =
    "yes" in outcome
      ? outcome
      : {
          best: outcome.best,
          candidates: outcome.candidates.map(({ text, letter, logprob, perToken, share, tokens }) => ({
            ...{ text, ...(letter !== undefined && { letter }), logprob, per_token: perToken, share, tokens },
          })),
        };
  return { ...scores, media, usage: { prompt_tokens: usage.promptTokens, crops: usage.crops } };
}
