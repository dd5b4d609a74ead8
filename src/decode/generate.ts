import type { NativeSampler, NativeSession, SampledToken } from "../native/binding.js";
import { nativeCall } from "../native/native.js";
import type { Drafter } from "./draft.js";
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

/** What an answer streams: text that is certain by now (often a token's, possibly empty), and the token it came with. */
export interface AnswerPiece {
  text: string;
  token?: Token;
}

/** "stop": the model ended its turn or a stop string came; "length": maxTokens or the context was reached. */
export type FinishReason = "stop" | "length";

/** Ids to text. */
export interface Detokenizer {
  /** Text of the ids one after another; what is no whole character yet is held. */
  stream(): { push(id: number): string; end(): string };
  /** A single token's own text. */
  text(id: number): string;
}

export interface GenerateOptions {
  session: NativeSession;
  sequence: number;
  sampler: NativeSampler;
  detokenizer: Detokenizer;
  eosIds: ReadonlySet<number>;
  /** At least 1. */
  maxTokens: number;
  stop: readonly string[];
  signal?: AbortSignal | undefined;
  /** Guesses what comes next, so that several tokens may come of one pass; the answer is the same without. */
  drafter?: Drafter | undefined;
  /** Told of each id that entered the sequence. */
  onAppend?: ((id: number) => void) | undefined;
}

/**
 * Draws tokens one by one from a sequence whose prompt is prefilled. JavaScript pulls: nothing is computed ahead, so not asking again is
 * how to stop. Returns why it ended.
 */
export async function* generate(o: GenerateOptions): AsyncGenerator<AnswerPiece, FinishReason> {
  const stream = o.detokenizer.stream();
  const stops = new StopStrings(o.stop);
  o.signal?.throwIfAborted();
  let drawn = [await nativeCall(o.session.sample(o.sequence, o.sampler))];
  for (let n = 1; ; n++) {
    const { id, logprob, top } = drawn.shift() as SampledToken;
    o.signal?.throwIfAborted();
    if (o.eosIds.has(id)) {
      const rest = stops.push(stream.end());
      yield { text: rest.text + stops.end() };
      return "stop";
    }
    const named = (choice: { id: number; logprob: number }): TokenChoice => ({
      ...choice,
      text: o.detokenizer.text(choice.id),
    });
    const token = { ...named({ id, logprob }), top: top.map(named) };
    const { text, stopped } = stops.push(stream.push(id));
    if (stopped) {
      yield { text, token };
      return "stop";
    }
    if (n === o.maxTokens) {
      const rest = stops.push(stream.end());
      yield { text: text + rest.text + stops.end(), token };
      return rest.stopped ? "stop" : "length";
    }
    yield { text, token };
    o.signal?.throwIfAborted();
    if (drawn.length === 0) drawn = await next(o, id, o.maxTokens - n);
  }
}

/** Appends `id` and draws what follows it: one token, or several where a guess was right. `left`: tokens the answer may still have. */
async function next(o: GenerateOptions, id: number, left: number): Promise<SampledToken[]> {
  o.drafter?.append([id]);
  const guess = o.drafter?.propose(left - 1) ?? [];
  if (guess.length === 0) {
    await nativeCall(o.session.step(Int32Array.of(o.sequence), Int32Array.of(id)));
    o.onAppend?.(id);
    return [await nativeCall(o.session.sample(o.sequence, o.sampler))];
  }
  const drawn = await nativeCall(o.session.speculate(o.sequence, Int32Array.of(id, ...guess), o.sampler));
  const right = guess.slice(0, drawn.length - 1);
  for (const appended of [id, ...right]) o.onAppend?.(appended);
  o.drafter?.append(right);
  o.drafter?.judge(guess.length, right.length);
  return drawn;
}
