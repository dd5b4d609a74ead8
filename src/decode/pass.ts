import type { AdvancePart } from "../native/session.js";
import type { Sequence, Want } from "./sequence.js";

/** Rows of a pass at most: enough to keep every core busy, few enough that progress moves and a stop is soon heard. */
export const prefillChunk = 512;
/** Rows of prompts at most while others decode, whose next tokens wait for them. */
const sharedChunk = 128;
/** New crops of a pass at most, alone and while others decode: their visual keys and values are computed within the pass. */
const newCrops = 16;
const sharedNewCrops = 2;

/** Rows of prompts whose logits are wanted at most: a row of logits is as large as the vocabulary. */
export const scoredRows = 64;

/** A sequence and the results that its client waits for. */
export interface Wish {
  readonly sequence: Sequence;
  readonly want: Want;
}

/** The part of a wish that a pass takes: its ids up to `end`, and a draft when these are all. */
export interface Share<W extends Wish = Wish> {
  wish: W;
  end: number;
  draft: readonly number[];
}

/** Whether only one id is missing: the last of an answer. */
export function decodes({ sequence }: Wish): boolean {
  return sequence.ids.length - sequence.computed === 1;
}

/**
 * Chooses the rows of the next pass: all who decode, then prompts, first come, first served; a long prompt takes several passes, and short ones
 * while others decode.
 */
export function shareRows<W extends Wish>(wishes: readonly W[]): Share<W>[] {
  const shares: Share<W>[] = [];
  let rows = prefillChunk;
  for (const wish of wishes.filter(decodes)) {
    if (rows === 0) break;
    const end = wish.sequence.ids.length;
    const draft = (wish.want.draft ?? []).slice(0, rows - 1);
    shares.push({ wish, end, draft });
    rows -= 1 + draft.length;
  }
  const alone = shares.length === 0;
  rows = Math.min(rows, alone ? prefillChunk : sharedChunk);
  let crops = alone ? newCrops : sharedNewCrops;
  let scored = scoredRows;
  for (const wish of wishes) {
    if (decodes(wish)) continue;
    const { ids, computed } = wish.sequence;
    const fresh = wish.sequence.crops.filter(({ offset }) => offset >= computed);
    const firstScored = Math.max(computed, ids.length - (wish.want.targets?.length ?? 0));
    const end = Math.min(ids.length, computed + rows, fresh[crops]?.offset ?? ids.length, firstScored + scored);
    if (end === computed) break;
    shares.push({ wish, end, draft: [] });
    rows -= end - computed;
    scored -= Math.max(0, end - firstScored);
    crops -= fresh.filter(({ offset }) => offset < end).length;
  }
  return shares;
}

/** The share as the engine takes it. */
export function toPart({ wish: { sequence, want }, end, draft }: Share): AdvancePart {
  const { ids, computed, crops, native } = sequence;
  const media = crops.filter(({ offset }) => offset >= computed && offset < end);
  const part: AdvancePart = {
    sequence: native as number,
    ids: Int32Array.from([...ids.slice(computed, end), ...draft]),
    ...(media.length > 0 && { media }),
    ...(want.targets && { targets: targetsOf(want.targets, ids.length, computed, end) }),
  };
  if (end < ids.length) return part;
  const { sampler, matcher, goesOn, top, logits } = want;
  return {
    ...part,
    ...(sampler && { sampler }),
    ...(matcher && { matcher }),
    ...(draft.length > 0 ? { drafted: draft.length } : goesOn && { goesOn }),
    ...(top !== undefined && { top }),
    ...(logits && { logits }),
  };
}

/** The targets of the rows from `computed` to `end`, when those of all rows up to `length` are `targets`. */
function targetsOf(targets: NonNullable<Want["targets"]>, length: number, computed: number, end: number): Int32Array[] {
  const first = length - targets.length;
  return targets.slice(Math.max(0, computed - first), Math.max(0, end - first)).map((row) => Int32Array.from(row));
}
