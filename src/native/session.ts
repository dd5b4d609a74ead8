/** Encoded crops, sequences, passes over them and the drawing of tokens in the native addon (native/addon/session.cpp). */

import type { NativeMatcher } from "./constraint.js";

/** The image_embeds of some crops. They stay in native memory and are shared by reference. */
export interface NativeEmbeds {
  readonly crops: number;
  readonly bytes: number;
  /** Copies them, [crops, cropTokens, hiddenSize], to `into`, which must have that length, or to a new array. */
  toFloat32(into?: Float32Array): Float32Array;
  dispose(): void;
}

/** Crop `crop` of `embeds`, whose placeholder's first token stands at position `offset`: the text sees it from there on, or from the next position. */
export interface MediaSlot {
  offset: number;
  embeds: NativeEmbeds;
  crop: number;
}

export interface SamplerOptions {
  temperature: number; // 0: greedy
  topK: number; // 0: off
  topP: number; // 1: off
  minP: number; // 0: off
  repetitionPenalty: number; // 1: off (as in Hugging Face: prompt and answer)
  presencePenalty: number; // 0: off (as in OpenAI: the answer only)
  frequencyPenalty: number;
  seed: number; // uint32
  logprobs: number; // how many alternatives to report with each token; 0: only the token's own
}

export interface SampledToken {
  id: number;
  logprob: number; // log softmax of the raw logits
  top: { id: number; logprob: number }[];
  /** Whether a device has begun with its row: the next part costs nothing more if it is this id alone. */
  begun: boolean;
}

/** The part that one sequence has in a pass. */
export interface AdvancePart {
  sequence: number;
  /** Ids to append, at least one: a chunk of a prompt, the last token of an answer, or that and a draft after it. */
  ids: Int32Array;
  /** Crops that become visible among the appended positions: each offset lies among them. */
  media?: MediaSlot[];
  /**
   * Draws what follows the last id. With `drafted` the last so many ids are guesses: the sampler draws after the last certain id, then after each
   * guess for as long as it drew that very guess itself; guesses that it did not draw are taken off the sequence again.
   */
  sampler?: NativeSampler;
  drafted?: number;
  /** The sampler draws, and `top` reports, only ids that may come next; those that are drawn are taken by the matcher. */
  matcher?: NativeMatcher;
  /**
   * Whether the next part of this sequence will probably be the id that is drawn, drawn from by the same sampler: a device may begin with that row
   * before its id is known here. It changes no result, and costs a row's computation where the guess was wrong.
   */
  goesOn?: boolean;
  /** How many of the largest log-probabilities after the last id to report (beam search). */
  top?: number;
  /** Whether a copy of the logits after the last id is wanted. */
  logits?: boolean;
  /** For each of the last rows, in order, the ids whose log-probabilities after it are wanted; not together with a sampler. */
  targets?: Int32Array[];
}

export interface Advanced {
  /** One with a sampler; with a draft up to drafted + 1. All but the last are on the sequence. */
  drawn: SampledToken[];
  top: { id: number; logprob: number }[];
  /** The log-probabilities of all targets, row by row. */
  scores?: Float32Array;
  logits?: Float32Array;
}

/**
 * Sequences over one KV cache. A sequence is a small integer. One call at a time: while a promise of a session is pending, any other call on
 * it but dispose() is an error; dispose() then takes effect when that call ends.
 */
export interface NativeSession {
  /** A new empty sequence. */
  create(): number;
  /** A copy that shares pages of the KV cache and the visual K/V with `sequence` (copy on write). */
  fork(sequence: number): number;
  remove(sequence: number): void;
  length(sequence: number): number;
  /** Forgets all positions from `length` on, and crops whose placeholders start there. */
  truncate(sequence: number, length: number): void;
  /**
   * One pass over the rows of all parts (different sequences; at most prefillChunk rows together): weights are read once. Prefill and decode rows mix
   * freely, and every row gets the bits that it would get alone. After an error the sequences are as they were.
   */
  advance(parts: AdvancePart[]): Promise<Advanced[]>;
  /** Pages that sequences hold now (a shared one counts once). */
  readonly pagesInUse: number;
  /** Memory its sequences hold now: text and crops in sight. */
  readonly bytes: number;
  dispose(): void;
}

/** Sampling state: options, random state, history of ids (those it drew are added by sample()). */
export interface NativeSampler {
  /** Ids of the prompt (for repetition penalty); drops what was there before. */
  reset(promptIds: Int32Array): void;
}
