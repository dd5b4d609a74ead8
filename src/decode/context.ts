import type { KvType, MediaSlot, NativeModel, NativeSession } from "../native/binding.js";
import { nativeCall, nativeSync } from "../native/native.js";

/** Ids and the crops that become visible among them, in the order of their offsets. */
export interface PromptIds {
  ids: readonly number[];
  slots: readonly MediaSlot[];
}

/** Ids a prefill call appends: enough rows to keep every core busy, few enough that progress moves and a stop is soon heard. */
export const prefillChunk = 512;

/**
 * One sequence in a native session, and what it holds. prefill() keeps the longest prefix the sequence shares with the new prompt, so a
 * second question costs only what is new.
 */
export class Context {
  readonly session: NativeSession;
  readonly sequence: number;
  readonly length: number;
  private ids: number[] = [];
  private slots: MediaSlot[] = [];

  constructor(model: NativeModel, length: number, kvType: KvType) {
    this.length = length;
    this.session = nativeSync(() => model.createSession({ contextLength: length, kvType, prefillChunk }));
    this.sequence = this.session.create();
  }

  /** Makes the sequence hold exactly `prompt`, with the last row's logits kept. Returns how many ids had to be computed. */
  async prefill(
    prompt: PromptIds,
    options: { signal?: AbortSignal | undefined; onProgress?: (done: number, total: number) => void } = {},
  ): Promise<number> {
    const shared = sharedPrefix(this, prompt);
    if (shared < this.ids.length) {
      this.session.truncate(this.sequence, shared);
      this.ids.length = shared;
      this.slots = this.slots.filter((slot) => slot.offset < shared);
    }
    const total = prompt.ids.length - shared;
    for (let from = shared; from < prompt.ids.length; from += prefillChunk) {
      options.signal?.throwIfAborted();
      options.onProgress?.(from - shared, total);
      const chunk = prompt.ids.slice(from, from + prefillChunk);
      const slots = prompt.slots.filter((slot) => slot.offset >= from && slot.offset < from + chunk.length);
      await nativeCall(this.session.prefill(this.sequence, Int32Array.from(chunk), slots));
      this.ids.push(...chunk);
      this.slots.push(...slots);
    }
    options.onProgress?.(total, total);
    return total;
  }

  /** Notes an id that a step appended. */
  appended(id: number): void {
    this.ids.push(id);
  }

  /** @internal what the sequence holds */
  get held(): PromptIds {
    return { ids: this.ids, slots: this.slots };
  }

  dispose(): void {
    this.session.dispose();
  }
}

/** Ids of `prompt` that need not be computed again: the same ids, with the same crops in sight; never all, for the last row's logits. */
function sharedPrefix({ held }: Context, prompt: PromptIds): number {
  let shared = 0;
  const limit = Math.min(held.ids.length, prompt.ids.length - 1);
  while (shared < limit && held.ids[shared] === prompt.ids[shared]) shared++;
  for (let i = 0; i < Math.max(held.slots.length, prompt.slots.length); i++) {
    const a = held.slots[i];
    const b = prompt.slots[i];
    if (a && b && a.offset === b.offset && a.embeds === b.embeds && a.crop === b.crop) continue;
    return Math.min(shared, a?.offset ?? shared, b?.offset ?? shared);
  }
  return Math.max(0, shared);
}
