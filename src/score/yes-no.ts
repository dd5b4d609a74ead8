import type { ScoredCandidate } from "./candidates.js";

/** The beginnings of an answer that count as yes and as no. None begins another one, so that their probabilities add up. */
const spellings = {
  yes: ["Yes", "yes", "YES", " Yes", " yes"],
  no: ["No", "no", "NO", " No", " no"],
} as const;

/** A beginning of an answer, what it counts as, and its probability. */
export interface Spelling {
  text: string;
  answer: "yes" | "no";
  probability: number;
}

/** How probable it is that an answer begins with yes, and with no. They add up to less than 1 by what other answers have. */
export interface YesNo {
  yes: number;
  no: number;
  /** The terms of both sums. */
  spellings: Spelling[];
}

/** The candidates whose log-probabilities yesNo() takes, in that order. */
export const yesNoCandidates: readonly string[] = [...spellings.yes, ...spellings.no];

/**
 * Sums the probabilities of yes and of no over their spellings. For a question such as "Does this figure show ...?" that of yes is VQAScore (Lin et
 * al. 2024, "Evaluating Text-to-Visual Generation with Image-to-Text Generation"), which takes the one spelling that its model was trained with.
 */
export function yesNo(scored: readonly Pick<ScoredCandidate, "text" | "logprob">[]): YesNo {
  const all = scored.map(({ text, logprob }, i): Spelling => {
    const answer = i < spellings.yes.length ? "yes" : "no";
    return { text, answer, probability: Math.exp(logprob) };
  });
  const sum = (answer: string): number =>
    all.reduce((total, one) => total + (one.answer === answer ? one.probability : 0), 0);
  return { yes: sum("yes"), no: sum("no"), spellings: all };
}
