interface Call {
  /** Virtual time at which the call may start, in milliseconds of the engine. */
  start: number;
  run: (alone: boolean) => Promise<void>;
}

/**
 * Decides who calls the engine next: a call uses every core, so that one runs at a time, and those who want one (the passes of a session, the
 * vision tower) get equal shares of the time, measured as it passes. A long call of one is followed by many short ones of another, and who
 * waits, waits for at most one call of each other. This is start-time fair queueing (Goyal, Vin and Cheng, 1996): a call starts, in virtual
 * time, where its owner's last one ended, or now when that is past (who was idle saves nothing up); the earliest start goes first.
 */
export class Turns {
  readonly #now: () => number;
  readonly #ends = new WeakMap<object, number>();
  #waiting: Call[] = [];
  #running = false;
  /** Virtual time: the start of the call under way. */
  #time = 0;

  /** @param now a clock in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Runs `work` when it is the owner's turn and gives what it gives. `alone`: no other owner is waiting. An owner asks for a turn when its last
   * one is over.
   */
  take<T>(owner: object, work: (alone: boolean) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const start = Math.max(this.#time, this.#ends.get(owner) ?? 0);
      const run = (alone: boolean): Promise<void> => {
        const began = this.#now();
        // Noted before the owner hears of it, who may ask again at once.
        const ended = () => this.#ends.set(owner, start + this.#now() - began);
        return work(alone).finally(ended).then(resolve, reject);
      };
      this.#waiting.push({ start, run });
      if (this.#running) return;
      this.#running = true;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      // A whole turn of the event loop: all who were answered by the last call ask again before the next is chosen.
      await new Promise((resolve) => setImmediate(resolve));
      const call = this.#waiting.reduce<Call | undefined>((a, b) => (a && a.start <= b.start ? a : b), undefined);
      if (!call) break;
      this.#waiting = this.#waiting.filter((other) => other !== call);
      this.#time = call.start;
      await call.run(this.#waiting.length === 0);
    }
    this.#running = false;
  }
}
