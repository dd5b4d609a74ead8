/** An id of a candidate and its log-probability, given the prompt and the ids before it. */
export interface ScoredToken {
  id: number;
  text: string;
  logprob: number;
}

/** A given answer and how probable it is. */
export interface ScoredCandidate {
  text: string;
  /** The letter that stands for it in the prompt, if the options were shown: then the other numbers are the letter's. */
  letter?: string;
  /** The log-probability of the whole candidate: the sum over its tokens. */
  logprob: number;
  /** The mean over its tokens, which does not favour short candidates. */
  perToken: number;
  /** exp(logprob) over the sum of all candidates': what the model would choose if it had to choose one of them. */
  share: number;
  tokens: ScoredToken[];
}

/** Makes scores of the log-probabilities of each candidate's ids. */
export function scoredCandidates(
  candidates: readonly string[],
  ids: readonly (readonly number[])[],
  logprobs: readonly (readonly number[])[],
  textOf: (id: number) => string,
): ScoredCandidate[] {
  const sums = logprobs.map((of) => of.reduce((a, b) => a + b, 0));
  const largest = Math.max(...sums);
  const total = sums.reduce((sum, logprob) => sum + Math.exp(logprob - largest), 0);
  return candidates.map((text, i) => {
    const of = logprobs[i] ?? [];
    const logprob = sums[i] as number;
    return {
      text,
      logprob,
      perToken: logprob / of.length,
      share: Math.exp(logprob - largest) / total,
      tokens: (ids[i] ?? []).map((id, at) => ({ id, text: textOf(id), logprob: of[at] as number })),
    };
  });
}
