import { kinds, type Shape } from "../check.js";
import { scoredRows } from "../decode/pass.js";
import { ContextError, UsageError } from "../errors.js";
import type { MemoryPlan } from "../native/model.js";
import { nativeSync } from "../native/native.js";
import { letters, withOptions } from "../prompt/choice.js";
import type { InputMessage } from "../prompt/messages.js";
import { type ScoredCandidate, scoredCandidates } from "../score/candidates.js";
import { forkBytes, scoreContinuations } from "../score/continuations.js";
import { type YesNo, yesNo, yesNoCandidates } from "../score/yes-no.js";
import type { MediaReport } from "../vision/chat-media.js";
import { encodeMedia } from "../vision/encode-media.js";
import { Conversation, openingOf } from "./conversation.js";
import { checkEngineMemory, type Engine } from "./engine.js";
import { type ChatOptions, chatShape, checkContextLength } from "./options.js";
import { workOf } from "./plan.js";
import type { OnProgress } from "./progress.js";

export interface ScoreOptions extends Omit<ChatOptions, "messages"> {
  /** Whether a candidate is a whole answer, so that the end marker counts as its last token; default: false. */
  end?: boolean | undefined;
  /** Whether the question shows the candidates with letters, in the words of the published evaluation, and the letters are scored; default: false. */
  letters?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

const { messages: _, ...conversationShape } = chatShape;
export const scoreShape: Shape<ScoreOptions> = {
  ...conversationShape,
  ...{ end: kinds.flag, letters: kinds.flag, signal: kinds.signal, onProgress: kinds.callback },
};

export interface Scores {
  /** In the order in which they were given. */
  candidates: ScoredCandidate[];
  /** All pictures and videos of the conversation. */
  media: MediaReport[];
  usage: { promptTokens: number; crops: number };
}

/** How probable yes and no are as answers to a question. */
export interface YesNoScores extends YesNo, Omit<Scores, "candidates"> {}

/** The candidate with the largest log-probability, the first of equals. */
export function likeliest({ candidates }: Scores): ScoredCandidate {
  return candidates.reduce((a, b) => (b.logprob > a.logprob ? b : a));
}

/** Computes how probable given answers to a conversation are; `messages` ends with the question. Nothing is drawn. */
export async function scoreCandidates(
  engine: Engine,
  messages: readonly InputMessage[],
  candidates: readonly string[],
  options: ScoreOptions = {},
): Promise<Scores> {
  const { model, tokenizer } = engine;
  const { signal, tenant, onProgress, kvType = model.defaultKvType } = options;
  checkContextLength(options.contextLength, model.config.contextLength);
  checkCandidates(candidates);
  const asked = options.letters ? withOptions(messages, candidates) : messages;
  const named = options.letters ? [...letters].slice(0, candidates.length) : undefined;
  const continuations = (named ?? candidates).map((text) => continuation(engine, text, options.end ?? false));
  const conversation = new Conversation(tokenizer, engine.loadMedia, options);
  try {
    await conversation.add([...openingOf(options), ...asked], { signal, onProgress });
    const { ids, mediaOffset } = conversation.render();
    const plan = planScores(engine, { promptTokens: ids.length, crops: mediaOffset.length }, continuations, options);
    await encodeMedia(engine.crops, conversation.media, { signal, tenant, onProgress, plan });
    const crops = conversation.visibleCrops(mediaOffset);
    const sequence = await engine.scheduler(kvType).open({ ids, crops, tenant }, plan.kvCache + plan.visualKv, signal);
    try {
      const logprobs = await scoreContinuations(sequence, continuations, {
        signal,
        onProgress: (done, total) => onProgress?.({ stage: "prefill", done, total }),
      });
      return {
        candidates: scoredCandidates(candidates, continuations, logprobs, tokenizer.text).map((scored, i) => ({
          ...scored,
          ...(named && { letter: named[i] as string }),
        })),
        media: conversation.media.map(({ report }) => ({ ...report })),
        usage: { promptTokens: ids.length, crops: crops.length },
      };
    } finally {
      sequence.release();
    }
  } finally {
    conversation.truncate(0);
  }
}

/** Computes how probable yes and no are as answers to a conversation; `messages` ends with the question. */
export async function scoreYesNo(
  engine: Engine,
  messages: readonly InputMessage[],
  options: Omit<ScoreOptions, "end" | "letters"> = {},
): Promise<YesNoScores> {
  const { candidates, media, usage } = await scoreCandidates(engine, messages, yesNoCandidates, options);
  return { ...yesNo(candidates), media, usage };
}

/** Throws UsageError for what can't be compared. Texts that differ in their Unicode form alone have the same ids. */
export function checkCandidates(candidates: readonly string[]): void {
  if (candidates.length === 0) throw new UsageError("there is no candidate to score.");
  const seen = new Set<string>();
  for (const candidate of candidates) {
    if (candidate === "") throw new UsageError("a candidate is empty.");
    const text = candidate.normalize("NFC");
    if (seen.has(text)) throw new UsageError(`the candidate "${candidate.slice(0, 80)}" is given twice.`);
    seen.add(text);
  }
}

function continuation({ tokenizer }: Engine, text: string, end: boolean): number[] {
  const [endOfTurn] = tokenizer.eosIds;
  return [...tokenizer.encode(text), ...(end && endOfTurn !== undefined ? [endOfTurn] : [])];
}

/** The memory of prompt, crops and forks. Throws ContextError, and MemoryError when the machine has less. */
function planScores(
  engine: Engine,
  { promptTokens, crops }: { promptTokens: number; crops: number },
  continuations: readonly (readonly number[])[],
  options: ScoreOptions,
): MemoryPlan {
  const { model } = engine;
  const kvType = options.kvType ?? model.defaultKvType;
  const limit = options.contextLength ?? model.config.contextLength;
  const contextLength = promptTokens + Math.max(...continuations.map((ids) => ids.length - 1));
  if (contextLength > limit) throw new ContextError(contextLength, limit, options.contextLength !== undefined);
  const work = workOf({ contextLength, crops, sequences: 1, kvType, logitRows: scoredRows });
  const plan = nativeSync(() => model.plan({ ...work, kvType }));
  const forks = forkBytes(
    continuations,
    nativeSync(() => model.kvBytes(kvType)),
  );
  const whole = { ...plan, kvCache: plan.kvCache + forks, total: plan.total + forks };
  checkEngineMemory(engine, kvType, whole);
  return whole;
}
