/** The answer of POST /v1/score: how probable given answers are. */
import type { Engine } from "../../worker/engine.js";

type Scores = Awaited<ReturnType<Engine["score"]>>;

/** JSON has no infinity. */
const finite = (logprob: number): number => Math.max(logprob, -9999);

export function scoreAnswer({ candidates, usage }: Scores, model: string) {
  return {
    object: "score",
    model,
    choices: candidates.map(({ text, logprob, perToken, share, tokens }, index) => ({
      index,
      text,
      logprob: finite(logprob),
      logprob_per_token: finite(perToken),
      share,
      tokens: tokens.map((token) => ({ token: token.text, logprob: finite(token.logprob) })),
    })),
    usage: { prompt_tokens: usage.promptTokens, crops: usage.crops },
  };
}
