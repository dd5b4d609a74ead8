import { answerByBeams } from "../decode/beams.js";
import { PromptLookup } from "../decode/draft.js";
import { ForcedText } from "../decode/forced.js";
import { type AnswerPiece, type FinishReason, generate } from "../decode/generate.js";
import type { VisibleCrop } from "../decode/prefix.js";
import type { Sequence } from "../decode/sequence.js";
import type { NativeMatcher } from "../native/constraint.js";
import type { MemoryPlan } from "../native/model.js";
import type { Advanced, NativeSampler, SamplerOptions } from "../native/session.js";
import type { AskOptions } from "./options.js";
import type { Timings } from "./progress.js";
import type { PromptTokenizer } from "./prompt-tokenizer.js";

/** A prompt that is computed, and all that its answer is drawn with. */
export interface Prompt {
  ids: readonly number[];
  crops: readonly VisibleCrop[];
  /** The crops that the vision tower ran for this answer. */
  encodedCrops: number;
  sequence: Sequence;
  /** Absent: beam search. */
  sampler: NativeSampler | undefined;
  /** Where the answer has to follow a grammar. */
  matcher: NativeMatcher | undefined;
  /** The first tokens after the prompt, or the log-probabilities that beam search begins with. */
  first: Advanced;
  maxTokens: number;
  memory: MemoryPlan;
  timings: Timings;
}

/** Draws the answer to a prompt: by a sampler, with drafts where they are wanted or text is forced, or by beams. */
export function decode(
  tokenizer: PromptTokenizer,
  prompt: Prompt,
  sampling: SamplerOptions,
  options: AskOptions,
): AsyncGenerator<AnswerPiece, FinishReason> {
  const { sequence, sampler, matcher, first, maxTokens } = prompt;
  const { beams = 1, stop = [], signal } = options;
  const shared = { sequence, matcher, tokenizer, eosIds: tokenizer.eosIds, maxTokens, stop, signal };
  if (!sampler)
    return answerByBeams({
      ...shared,
      first: first.top,
      beams,
      repetitionPenalty: sampling.repetitionPenalty,
      logprobs: sampling.logprobs,
      onStep: (done) => options.onProgress?.({ stage: "beams", done, total: maxTokens }),
    });
  const lookup = options.draft === "lookup" ? new PromptLookup(sequence.ids, tokenizer.eosIds) : undefined;
  const drafter = matcher ? new ForcedText(matcher, (text) => tokenizer.encode(text), lookup) : lookup;
  return generate({ ...shared, first: first.drawn, sampler, drafter });
}
