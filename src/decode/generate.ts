import type { NativeMatcher } from "../native/constraint.js";
import type { NativeSampler, SampledToken } from "../native/session.js";
import type { Drafter } from "./draft.js";
import type { Sequence } from "./sequence.js";
import { StopStrings } from "./stop.js";

export interface TokenChoice {
  id: number;
  /** The token's own text; bytes that are no whole character show as U+FFFD. */
  text: string;
  /** Log-probability under the model's raw distribution. */
  logprob: number;
}
export interface Token extends TokenChoice {
  /** The likeliest tokens at this place, as many as `logprobs` asked for. */
  top: TokenChoice[];
}

/** A piece of a streamed answer: text that is certain by now (often a token's, possibly empty), and the token it came with. */
export interface AnswerPiece {
  text: string;
  token?: Token;
}

/** "stop": the model ended its turn, a stop string came, or the answer has the form that was asked for; "length": maxTokens or the context was reached. */
export type FinishReason = "stop" | "length";

/** Ids to text. */
export interface Detokenizer {
  /** Text of the ids one after another; what is no whole character yet is held. */
  stream(): { push(id: number): string; end(): string };
  /** A single token's own text. */
  text(id: number): string;
}

export interface GenerateOptions {
  /** A sequence whose prompt is computed; the answer is appended to it. */
  sequence: Sequence;
  /** The tokens that the sampler drew with the last pass of the prompt. */
  first: readonly SampledToken[];
  sampler: NativeSampler;
  /** The answer follows a grammar, and ends as soon as nothing more may come. */
  matcher?: NativeMatcher | undefined;
  tokenizer: Detokenizer;
  eosIds: ReadonlySet<number>;
  /** At least 1. */
  maxTokens: number;
  stop: readonly string[];
  signal?: AbortSignal | undefined;
  /** Guesses what comes next, so that several tokens may come of one pass; the answer is the same without. */
  drafter?: Drafter | undefined;
}

/**
 * Draws tokens one by one. JavaScript pulls: nothing is computed ahead but what a device begins on its own, so not asking again is how to stop. Returns why it ended.
 */
export async function* generate(o: GenerateOptions): AsyncGenerator<AnswerPiece, FinishReason> {
  const stream = o.tokenizer.stream();
  const stops = new StopStrings(o.stop);
  o.signal?.throwIfAborted();
  let drawn = [...o.first];
  for (let n = 1; ; n++) {
    const { id, logprob, top, begun } = drawn.shift() as SampledToken;
    o.signal?.throwIfAborted();
    if (o.eosIds.has(id)) {
      const rest = stops.push(stream.end());
      yield { text: rest.text + stops.end() };
      return "stop";
    }
    const named = (choice: { id: number; logprob: number }): TokenChoice => ({
      ...choice,
      text: o.tokenizer.text(choice.id),
    });
    const token = { ...named({ id, logprob }), top: top.map(named) };
    const { text, stopped } = stops.push(stream.push(id));
    if (stopped) {
      yield { text, token };
      return "stop";
    }
    const complete = drawn.length === 0 && o.matcher?.complete === true;
    if (complete || n === o.maxTokens) {
      const rest = stops.push(stream.end());
      yield { text: text + rest.text + stops.end(), token };
      return complete || rest.stopped ? "stop" : "length";
    }
    yield { text, token };
    o.signal?.throwIfAborted();
    if (drawn.length === 0) drawn = await next(o, o.maxTokens - n, begun);
  }
}

/**
 * Draws what follows: one token, or several where a guess was right. `left`: tokens the answer may still have. `begun`: a device is at the row of the
 * last one. A draft would throw that row away, so it waits for its token, and is made anew where that was what it guessed.
 */
async function next(
  { sequence, sampler, matcher, drafter, signal }: GenerateOptions,
  left: number,
  begun: boolean,
): Promise<SampledToken[]> {
  const guessed = drafter?.propose(left - 1) ?? [];
  const waits = begun && guessed.length > 0;
  const draft = waits ? [] : guessed;
  const { drawn } = await sequence.next({ sampler, matcher, draft, goesOn: left > 1 && !waits, signal });
  if (draft.length > 0) drafter?.accept(draft.length, drawn.length - 1);
  return drawn;
}
