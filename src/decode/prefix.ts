import type { NativeEmbeds } from "../native/session.js";

/** A crop that becomes visible from position `offset` (media_offset) on: crop `crop` of `embeds`. Crops of one `key` are the same. */
export interface VisibleCrop {
  offset: number;
  key: string;
  embeds: NativeEmbeds;
  crop: number;
}

/** Ids and the crops that become visible among them, in the order of their offsets. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly crops: readonly VisibleCrop[];
  /** Only prompts of one tenant share prefixes. */
  readonly tenant?: string | undefined;
}

/**
 * How many ids of `prompt` need not be computed again by a sequence whose first `computed` ids are: the same ids, with the same crops in
 * sight. Never all of them, since something has to be computed for a token to be drawn.
 */
export function sharedPrefix(held: Prompt, computed: number, prompt: Prompt): number {
  if (held.tenant !== prompt.tenant) return 0;
  const limit = Math.min(computed, prompt.ids.length - 1);
  let shared = 0;
  while (shared < limit && held.ids[shared] === prompt.ids[shared]) shared++;
  for (let i = 0; ; i++) {
    const [a, b] = [held.crops[i], prompt.crops[i]];
    if (a && b && a.offset === b.offset && a.key === b.key) continue;
    return Math.min(shared, a?.offset ?? shared, b?.offset ?? shared);
  }
}
