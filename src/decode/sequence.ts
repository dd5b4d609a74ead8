import type { NativeMatcher } from "../native/constraint.js";
import type { Advanced, NativeSampler } from "../native/session.js";
import type { Prompt, VisibleCrop } from "./prefix.js";

/** The results that a client wants after the last id of its sequence. */
export interface Want {
  /** Draws the next id. */
  sampler?: NativeSampler;
  /** Restricts what is drawn, or counted among the largest, to what may come next. */
  matcher?: NativeMatcher | undefined;
  /** Whether what is drawn will probably be computed and drawn from next: a device may begin with it at once (AdvancePart). */
  goesOn?: boolean;
  /** Ids that may come next: as many of them as the sampler draws itself come of the same pass. */
  draft?: readonly number[];
  /** How many of the largest log-probabilities to report. */
  top?: number;
  /** Whether a copy of the logits is wanted. */
  logits?: boolean;
  /** For each of the sequence's last ids, in order, the ids whose log-probabilities after it are wanted; not together with a sampler. */
  targets?: readonly (readonly number[])[];
  signal?: AbortSignal | undefined;
  /** Called before each pass and at the end: how many ids are computed, of those that had to be. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The scheduler as a sequence sees it. */
export interface SequenceOwner {
  next(sequence: Sequence, want: Want): Promise<Advanced>;
  fork(sequence: Sequence): Sequence;
  release(sequence: Sequence): void;
}

/**
 * The ids of a prompt and its answer, and how many of them the engine has keys and values of. It is the one place where ids are remembered:
 * samplers, drafters and beams look here.
 */
export class Sequence implements Prompt {
  readonly ids: number[];
  readonly crops: VisibleCrop[];
  readonly tenant: string | undefined;
  /** The number of ids, from the first, whose keys and values are in the cache. */
  computed = 0;
  /** The number of them that another sequence had computed before. */
  shared = 0;
  /** The number in the native session; undefined before it has one */
  native: number | undefined;
  /** The bytes that were set aside for it */
  readonly bytes: number;
  readonly #owner: SequenceOwner;

  /** Use Scheduler.open(). */
  constructor(owner: SequenceOwner, prompt: Prompt, bytes: number) {
    this.#owner = owner;
    this.ids = [...prompt.ids];
    this.crops = [...prompt.crops];
    this.tenant = prompt.tenant;
    this.bytes = bytes;
  }

  /**
   * Computes the ids that are not computed yet, in passes shared with other sequences, and gives the results after the last. Ids that the sampler
   * drew are appended: all but the last are computed, too. One call at a time. After an abort, the ids of finished passes stay computed.
   */
  next(want: Want): Promise<Advanced> {
    return this.#owner.next(this, want);
  }

  /** Appends an id that next() shall compute. */
  append(id: number): void {
    this.ids.push(id);
  }

  /** Makes a copy that shares keys and values. Its memory counts to this one, which has to be released later than it. */
  fork(): Sequence {
    return this.#owner.fork(this);
  }

  /** Gives its memory back. Its keys and values are kept for a while, for a prompt that begins likewise, but not those of a fork. Twice is fine. */
  release(): void {
    this.#owner.release(this);
  }
}
