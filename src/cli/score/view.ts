import type { RowScores } from "../../batch/score.js";
import { likeliest, type Scores, type YesNoScores } from "../../chat/score.js";
import { safeLine } from "../filter.js";
import { percent } from "../format.js";
import type { Output } from "../output.js";

/** Prints scores as a table, the likeliest candidate first. */
export function printScores(out: Output, scores: Scores | YesNoScores): void {
  if ("yes" in scores) {
    out.heading("probability  answer  summed over");
    for (const answer of ["yes", "no"] as const)
      out.line(`${percent(scores[answer]).padStart(11)}  ${answer.padEnd(6)}  ${summed(scores.spellings, answer)}`);
    return;
  }
  out.heading("   share  log-prob  per token  tokens  candidate");
  const ranked = [...scores.candidates].sort((a, b) => b.logprob - a.logprob);
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
export function printAnswer(out: Output, scores: Scores | YesNoScores): void {
  out.line("yes" in scores ? scores.yes.toFixed(6) : safeLine(likeliest(scores).text));
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

/** The first line of a table of rows. */
export const csvHead = (yesNo: boolean): string =>
  csvLine(yesNo ? ["id", "yes", "no", "error"] : ["id", "best", "share", "error"]);

/** A row's line of the table. */
export function csvRow(id: string, scores: RowScores): string {
  if ("code" in scores) return csvLine([id, "", "", scores.message]);
  if ("yes" in scores) return csvLine([id, scores.yes.toFixed(6), scores.no.toFixed(6), ""]);
  const { text, share } = likeliest(scores);
  return csvLine([id, text, share.toFixed(6), ""]);
}

/** Cells with the quotes that RFC 4180 asks for. */
const csvLine = (cells: readonly string[]): string =>
  cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",");
