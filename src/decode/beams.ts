import type { NativeMatcher } from "../native/constraint.js";
import type { AnswerPiece, Detokenizer, FinishReason } from "./generate.js";
import type { Sequence } from "./sequence.js";
import { StopStrings } from "./stop.js";

interface TokenLogprob {
  id: number;
  logprob: number;
}
export interface BeamToken extends TokenLogprob {
  top: TokenLogprob[];
}

/** The options that decide how many log-probabilities a search needs. */
export interface BeamWidth {
  beams: number;
  /** As in Hugging Face, over prompt and answer; 1: off. */
  repetitionPenalty: number;
  /** Alternatives to keep with each token. */
  logprobs: number;
}

export interface BeamOptions extends BeamWidth {
  /** A sequence whose prompt is computed; it is forked and left as it is. */
  sequence: Sequence;
  /** The largest log-probabilities after the prompt, as many as topNeeded() says. */
  first: readonly TokenLogprob[];
  maxTokens: number;
  /** Says which ids may come first, when answers follow a grammar. It is left as it is. */
  matcher?: NativeMatcher | undefined;
  eosIds: ReadonlySet<number>;
  signal?: AbortSignal | undefined;
  onStep?: ((tokens: number) => void) | undefined;
}

/**
 * How many log-probabilities a search needs to know after `ids`: enough to fill every beam even if half of them end, and since a penalty only
 * lowers what was seen, the best of the penalised scores are among this many raw ones.
 */
export function topNeeded({ beams, repetitionPenalty, logprobs }: BeamWidth, ids: readonly number[]): number {
  return Math.max(2 * beams, logprobs) + (repetitionPenalty === 1 ? 0 : new Set(ids).size);
}

interface Beam {
  sequence: Sequence;
  matcher: NativeMatcher | undefined;
  score: number;
  tokens: BeamToken[];
  /** The largest log-probabilities of what comes next. */
  next: readonly TokenLogprob[];
}
interface Hypothesis {
  score: number;
  tokens: BeamToken[];
  ended: boolean;
}

/**
 * Beam search as Hugging Face's generate(num_beams, do_sample=False) does it, with its defaults: a hypothesis scores the sum of its
 * log-probabilities over its length (length_penalty 1, the end marker counted), and the search ends when no running beam could, at its
 * present length, beat the worst of the `beams` finished ones (early_stopping False), or at maxTokens. All beams advance in one step.
 */
export async function beamSearch(o: BeamOptions): Promise<{ tokens: BeamToken[]; ended: boolean; score: number }> {
  const finished: Hypothesis[] = [];
  let running: Beam[] = [
    { sequence: o.sequence.fork(), matcher: o.matcher?.clone(), score: 0, tokens: [], next: o.first },
  ];
  let done = false;
  try {
    for (let length = 1; length <= o.maxTokens; length++) {
      o.signal?.throwIfAborted();
      const candidates = expand(o, running);
      const next = sift(o, candidates, finished, length);
      const best = candidates[0];
      done = isDone(o.beams, finished, best ? best.score / length : Number.NEGATIVE_INFINITY);
      if (done) break;
      o.onStep?.(length);
      running = reorder(running, next);
      if (running.length === 0 || length === o.maxTokens) break;
      await Promise.all(running.map((beam) => advance(o, beam)));
    }
    if (!done)
      for (const beam of running)
        if (beam.tokens.length > 0)
          keep(o.beams, finished, { score: beam.score / beam.tokens.length, tokens: beam.tokens, ended: false });
  } finally {
    for (const beam of running) beam.sequence.release();
  }
  const best = finished[0];
  return best ?? { tokens: [], ended: true, score: 0 };
}

interface Candidate {
  parent: Beam;
  score: number;
  token: BeamToken;
}

async function advance(o: BeamOptions, beam: Beam): Promise<void> {
  const top = topNeeded(o, beam.sequence.ids);
  beam.next = (await beam.sequence.next({ top, matcher: beam.matcher, signal: o.signal })).top;
}

/** The best 2 * beams continuations over all beams: enough to fill every beam even if half of them end. */
function expand(o: BeamOptions, running: Beam[]): Candidate[] {
  const wanted = 2 * o.beams;
  const candidates: Candidate[] = [];
  for (const parent of running) {
    const seen = new Set(o.repetitionPenalty === 1 ? [] : parent.sequence.ids);
    const top = parent.next.slice(0, o.logprobs);
    const own = parent.next
      .map(({ id, logprob }) => ({
        parent,
        score: parent.score + (seen.has(id) ? logprob * o.repetitionPenalty : logprob),
        token: { id, logprob, top },
      }))
      .sort((a, b) => b.score - a.score);
    candidates.push(...own.slice(0, wanted));
  }
  return candidates.sort((a, b) => b.score - a.score).slice(0, wanted);
}

/** Ended candidates become hypotheses when they rank among the first `beams`; the others are the next beams. */
function sift(o: BeamOptions, candidates: Candidate[], finished: Hypothesis[], length: number): Candidate[] {
  const next: Candidate[] = [];
  for (const [rank, candidate] of candidates.entries()) {
    if (o.eosIds.has(candidate.token.id)) {
      if (rank < o.beams)
        keep(o.beams, finished, { score: candidate.score / length, tokens: candidate.parent.tokens, ended: true });
    } else next.push(candidate);
    if (next.length === o.beams) break;
  }
  return next;
}

function keep(beams: number, finished: Hypothesis[], hypothesis: Hypothesis): void {
  finished.push(hypothesis);
  finished.sort((a, b) => b.score - a.score);
  if (finished.length > beams) finished.pop();
}

function isDone(beams: number, finished: Hypothesis[], attainable: number): boolean {
  const worst = finished[beams - 1];
  return worst !== undefined && worst.score >= attainable;
}

/** Each parent's first child takes over its sequence, further ones fork it; parents without children go. */
function reorder(running: Beam[], next: Candidate[]): Beam[] {
  const taken = new Set<Beam>();
  const beams = next.map(({ parent, score, token }) => {
    const sequence = taken.has(parent) ? parent.sequence.fork() : parent.sequence;
    taken.add(parent);
    const matcher = parent.matcher?.clone();
    matcher?.accept(token.id);
    return { sequence, matcher, score, tokens: [...parent.tokens, token], next: [] };
  });
  for (const beam of running) if (!taken.has(beam)) beam.sequence.release();
  for (const { sequence, tokens } of beams) sequence.append(tokens.at(-1)?.id ?? 0);
  return beams;
}

/** The best of several beams as an answer: all its pieces come at the end; a stop string cuts it short. */
export async function* answerByBeams(
  options: BeamOptions & { tokenizer: Detokenizer; stop: readonly string[] },
): AsyncGenerator<AnswerPiece, FinishReason> {
  const { tokenizer } = options;
  const best = await beamSearch(options);
  const stream = tokenizer.stream();
  const stops = new StopStrings(options.stop);
  for (const choice of best.tokens) {
    const top = choice.top.map((other) => ({ ...other, text: tokenizer.text(other.id) }));
    const { text, stopped } = stops.push(stream.push(choice.id));
    yield { text, token: { id: choice.id, logprob: choice.logprob, text: tokenizer.text(choice.id), top } };
    if (stopped) return "stop";
  }
  const rest = stops.push(stream.end());
  yield { text: rest.text + stops.end() };
  return best.ended || rest.stopped ? "stop" : "length";
}
