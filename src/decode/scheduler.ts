import { totalmem } from "node:os";
import { unlessAborted } from "../abort.js";
import { UserError } from "../errors.js";
import type { KvType, NativeModel } from "../native/model.js";
import { fromNative, nativeSync } from "../native/native.js";
import type { Advanced, NativeSession } from "../native/session.js";
import type { Turns } from "../native/turns.js";
import type { Admission } from "./admission.js";
import { Kept } from "./kept.js";
import { decodes, prefillChunk, type Share, shareRows, toPart, type Wish } from "./pass.js";
import { type Prompt, sharedPrefix } from "./prefix.js";
import { Sequence, type SequenceOwner, type Want } from "./sequence.js";

export interface SchedulerOptions {
  model: Pick<NativeModel, "config" | "createSession" | "kvBytes">;
  kvType: KvType;
  /** The turns of all who call the engine. */
  turns: Turns;
  /** Sets memory aside for sequences; schedulers of one model share it. */
  admission: Admission;
}

interface Request extends Wish {
  /** The log-probabilities of the targets in the rows that are computed. */
  scores: number[];
  resolve(answer: Advanced): void;
  reject(error: unknown): void;
}

/** The keys and values that sequences hold. */
export interface KvUse {
  bytes: number;
  /** Pages of text among them. */
  pages: number;
  /** Sequences without a client, the bytes that they take if they share none, and their bound. */
  kept: { sequences: number; bytes: number; limit: number };
}

/** The share of the memory that sequences without a client may hold. */
const keptShare = 1 / 8;
/** A prompt waits for another prompt that computes at least this many of its rows: one more pass costs about as much. */
const worthWaiting = 32;

/**
 * Lets many answers share one native session. Clients pull: a sequence takes part in the next pass when its client has called next(), and costs
 * nothing otherwise. All that was asked for by the time the engine is free is computed in one pass, which reads the weights once; every
 * row gets the bits that it would get alone.
 */
export class Scheduler implements SequenceOwner {
  readonly #session: NativeSession;
  readonly #turns: Turns;
  readonly #admission: Admission;
  readonly #kept: Kept;
  /** Sequences with a client, without forks. */
  readonly #live = new Set<Sequence>();
  readonly #released = new WeakSet<Sequence>();
  readonly #forks = new WeakSet<Sequence>();
  #requests: Request[] = [];
  /** Whether a turn was asked for. */
  #asked = false;
  /** Whether a pass is running; other work on the session waits in #later meanwhile. */
  #busy = false;
  #later: (() => void)[] = [];
  #held = { bytes: 0, pages: 0 };
  #disposed = false;

  constructor({ model, kvType, turns, admission }: SchedulerOptions) {
    const kv = nativeSync(() => model.kvBytes(kvType));
    const sizeOf = ({ computed, crops }: Sequence): number =>
      Math.ceil(computed / kv.pagePositions) * kv.page + crops.length * kv.crop;
    const { contextLength } = model.config;
    const { total } = admission;
    const pages = Math.max(1, Math.floor(Math.max(total, totalmem()) / kv.page)); // admission keeps far below it
    this.#session = nativeSync(() => model.createSession({ contextLength, kvType, prefillChunk, pages }));
    this.#turns = turns;
    this.#admission = admission;
    this.#kept = new Kept(total * keptShare, sizeOf, (sequence) => this.#remove(sequence));
  }

  /** The memory that sequences hold; while a pass runs, that of before it. */
  get use(): KvUse {
    const { size, bytes, limit } = this.#kept;
    return { ...this.#measure(), kept: { sequences: size, bytes, limit } };
  }

  /**
   * Opens a sequence of a prompt that next() will compute; a prefix that another sequence has computed is shared. Waits until `bytes` of memory are
   * free, the most that the sequence may take until it is released. Throws MemoryError when there will never be so many, and the signal's
   * reason when it is aborted.
   */
  async open(prompt: Prompt, bytes: number, signal?: AbortSignal): Promise<Sequence> {
    this.#check();
    await this.#admission.take(bytes, signal);
    this.#check();
    const sequence = new Sequence(this, prompt, bytes);
    this.#live.add(sequence);
    this.#reuse(sequence);
    this.#kept.shrink(this.#admission.free);
    return sequence;
  }

  /** Use Sequence.next(). */
  next(sequence: Sequence, want: Want): Promise<Advanced> {
    if (this.#released.has(sequence)) throw new Error("this sequence was released");
    this.#check();
    let request: Request | undefined;
    const answer = new Promise<Advanced>((resolve, reject) => {
      request = { sequence, want, scores: [], resolve, reject };
      this.#requests.push(request);
      this.#wake();
    });
    return unlessAborted(answer, want.signal, () => this.#drop(request as Request));
  }

  /** Use Sequence.fork(). */
  fork(parent: Sequence): Sequence {
    this.#check();
    const child = new Sequence(this, parent, 0);
    child.computed = parent.computed;
    this.#forks.add(child);
    this.#whenFree(() => {
      child.native = this.#session.fork(parent.native as number);
    });
    return child;
  }

  /** Use Sequence.release(). */
  release(sequence: Sequence): void {
    if (this.#disposed || this.#released.has(sequence)) return;
    this.#released.add(sequence);
    this.#live.delete(sequence);
    this.#requests = this.#requests.filter((one) => one.sequence !== sequence);
    this.#whenFree(() => {
      sequence.ids.length = sequence.computed;
      const seen = sequence.crops.findIndex(({ offset }) => offset >= sequence.computed);
      if (seen >= 0) sequence.crops.length = seen;
      if (this.#forks.has(sequence) || sequence.computed === 0) this.#remove(sequence);
      else this.#kept.add(sequence);
      this.#admission.give(sequence.bytes);
    });
  }

  /** Ends all requests with an error and frees the session. Twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#later = [];
    for (const { reject } of this.#requests) reject(disposed());
    this.#requests = [];
    this.#admission.close(disposed());
    this.#session.dispose();
  }

  #measure(): { bytes: number; pages: number } {
    if (!this.#busy && !this.#disposed) this.#held = { bytes: this.#session.bytes, pages: this.#session.pagesInUse };
    return this.#held;
  }

  #check(): void {
    if (this.#disposed) throw disposed();
  }

  /** Does something to the session now, or as soon as its pass is over. */
  #whenFree(work: () => void): void {
    if (this.#busy) this.#later.push(work);
    else nativeSync(work);
  }

  #remove(sequence: Sequence): void {
    this.#whenFree(() => {
      if (sequence.native !== undefined) this.#session.remove(sequence.native);
      sequence.native = undefined;
    });
  }

  #drop(request: Request): void {
    this.#requests = this.#requests.filter((other) => other !== request);
  }

  /** Lets a sequence that has computed nothing itself begin with the longest prefix that another has. */
  #reuse(sequence: Sequence): void {
    let best: Sequence | undefined;
    let shared = sequence.computed;
    for (const other of [...this.#live, ...this.#kept]) {
      const common = other === sequence ? 0 : sharedPrefix(other, other.computed, sequence);
      if (common > shared) [best, shared] = [other, common];
    }
    if (!best) return;
    const from = best;
    // A kept sequence is continued when all of it is used, or when there is no room for both; otherwise it is forked, for others may begin with it.
    const whole = shared === from.computed || this.#kept.bytes > this.#admission.free;
    const taken = this.#kept.has(from) && whole;
    if (taken) this.#kept.take(from);
    else this.#kept.touch(from);
    this.#remove(sequence);
    sequence.computed = sequence.shared = shared;
    this.#whenFree(() => {
      if (from.native === undefined) {
        // It was dropped while the pass ran, so the sequence begins with nothing.
        sequence.computed = sequence.shared = 0;
        return;
      }
      const native = taken ? from.native : this.#session.fork(from.native);
      if (this.#session.length(native) > shared) this.#session.truncate(native, shared);
      sequence.native = native;
    });
  }

  #wake(): void {
    if (this.#asked || this.#requests.length === 0) return;
    this.#asked = true;
    // The parts are chosen when the turn comes, so that all that was asked for by then takes part.
    void this.#turns
      .take(this, () => this.#pass())
      .catch((error: unknown) => {
        for (const { reject } of this.#requests.splice(0)) reject(fromNative(error));
      })
      .finally(() => {
        this.#asked = false;
        this.#wake();
      });
  }

  async #pass(): Promise<void> {
    const chosen = shareRows(
      this.#requests.filter((request, at) => this.#isReady(request, this.#requests.slice(0, at))),
    );
    for (const { wish } of chosen) this.#report(wish);
    const shares = chosen.filter(({ wish }) => this.#requests.includes(wish));
    if (shares.length === 0) return;
    for (const { wish } of shares) wish.sequence.native ??= this.#session.create();
    this.#measure();
    this.#busy = true;
    const outcomes = await this.#advance(shares);
    this.#busy = false;
    if (this.#disposed) return;
    for (const [i, share] of shares.entries()) this.#finish(share, outcomes[i] as Outcome);
    for (const work of this.#later.splice(0)) work();
  }

  /** Whether a prompt should begin now: not when one before it is about to compute much of it. */
  #isReady(request: Request, before: readonly Request[]): boolean {
    const { sequence } = request;
    if (decodes(request) || sequence.computed > sequence.shared) return true;
    this.#reuse(sequence);
    const coming = before
      .filter((other) => !decodes(other))
      .map((other) => sharedPrefix(other.sequence, other.sequence.ids.length, sequence));
    return Math.max(0, ...coming) < sequence.computed + worthWaiting;
  }

  /** All shares in one pass; when it fails, each in a pass of its own, so that only those fail that are the reason. */
  async #advance(shares: readonly Share[]): Promise<Outcome[]> {
    try {
      return await this.#session.advance(shares.map(toPart));
    } catch (error) {
      if (shares.length === 1) return [new Failure(error)];
      const outcomes: Outcome[] = [];
      for (const share of shares) outcomes.push(...(await this.#advance([share])));
      return outcomes;
    }
  }

  #finish({ wish, end }: Share<Request>, outcome: Outcome): void {
    const { sequence } = wish;
    if (outcome instanceof Failure) {
      this.#drop(wish);
      wish.reject(fromNative(outcome.error));
      return;
    }
    sequence.computed = end;
    wish.scores.push(...(outcome.scores ?? []));
    if (end < sequence.ids.length) return;
    this.#report(wish);
    for (const { id } of outcome.drawn) sequence.ids.push(id);
    sequence.computed += Math.max(0, outcome.drawn.length - 1);
    this.#drop(wish);
    wish.resolve(wish.want.targets ? { ...outcome, scores: Float32Array.from(wish.scores) } : outcome);
  }

  /** Reports the progress to a client that still waits; an error of its callback ends that client's request alone. */
  #report(request: Request): void {
    if (!this.#requests.includes(request)) return; // it was stopped while the pass ran
    const { ids, computed, shared } = request.sequence;
    try {
      request.want.onProgress?.(computed - shared, ids.length - shared);
    } catch (error) {
      this.#drop(request);
      request.reject(error);
    }
  }
}

/** The error of a part. */
class Failure {
  constructor(readonly error: unknown) {}
}
type Outcome = Advanced | Failure;

const disposed = (): UserError => new UserError("this model was disposed; open it again.");
