import { ApiError } from "./errors.js";

export interface QueueOptions {
  /** Answers at the same time. */
  parallel: number;
  /** Requests that may wait. */
  limit: number;
  /** Milliseconds that a request may wait. */
  timeoutMs: number;
}

interface Waiting {
  weight: number;
  alone: boolean;
  start: () => void;
  refuse: (error: Error) => void;
}

/** A place among those who run, until it is given back. */
export interface Place {
  leave(): void;
}

/**
 * Lets requests run, first come, first served, as many at a time as the engine takes; a bounded number waits. While the queue is held (the engine
 * loads a model), nobody starts and those who wait keep their place.
 */
export class Queue {
  readonly #options: QueueOptions;
  #waiting: Waiting[] = [];
  #running = 0;
  #requests = 0;
  /** Whether the one who runs must stay alone. */
  #exclusive = false;
  #held = false;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Requests that run. */
  get running(): number {
    return this.#requests;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#start();
  }

  /**
   * Waits for a place. `weight`: how many answers the request takes, of which one place has all or as many as there are. `alone`: beside nobody. Throws
   * ApiError when too many wait or the wait takes too long, and the signal's reason when it is aborted.
   */
  enter({
    weight = 1,
    alone = false,
    signal,
  }: {
    weight?: number;
    alone?: boolean;
    signal: AbortSignal;
  }): Promise<Place> {
    const { parallel, limit, timeoutMs } = this.#options;
    const own = Math.min(weight, parallel);
    return new Promise<Place>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const waits = this.#waiting.length > 0 || !this.#fits(own, alone);
      if (waits && this.#waiting.length >= limit)
        return reject(
          new ApiError(429, "queue_full", `${limit} requests wait already; try again later.`, { retryAfter: 5 }),
        );
      const drop = (error: unknown): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        settle();
        reject(error);
        this.#start();
      };
      const abort = (): void => drop(signal.reason);
      const timer = setTimeout(
        () => drop(new ApiError(503, "queue_timeout", "the request waited too long for its turn.", { retryAfter: 30 })),
        timeoutMs,
      );
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      };
      const waiting: Waiting = {
        weight: own,
        alone,
        start: () => {
          settle();
          resolve(this.#place(own, alone));
        },
        refuse: drop,
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiting);
      this.#start();
    });
  }

  /** Refuses all who wait. */
  refuse(error: Error): void {
    for (const { refuse } of [...this.#waiting]) refuse(error);
  }

  #place(weight: number, alone: boolean): Place {
    this.#running += weight;
    this.#requests++;
    this.#exclusive = alone;
    let left = false;
    return {
      leave: () => {
        if (left) return;
        left = true;
        this.#running -= weight;
        this.#requests--;
        if (alone) this.#exclusive = false;
        this.#start();
      },
    };
  }

  #fits(weight: number, alone: boolean): boolean {
    if (this.#held || this.#exclusive) return false;
    return alone ? this.#running === 0 : this.#running + weight <= this.#options.parallel;
  }

  #start(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.weight, first.alone); first = this.#waiting[0]) {
      this.#waiting.shift();
      first.start();
    }
  }
}
