/** Limits of the cost of compiling, so that no schema of any size holds the program up. */
export interface Limits {
  /** States of automata. */
  states: number;
  /** Alternatives that are looked at. */
  branches: number;
  milliseconds: number;
}

const defaults: Limits = { states: 400_000, branches: 100_000, milliseconds: 5_000 };

/** Thrown when a limit is passed; compile() makes a sentence of it. */
export class TooLarge extends Error {}

export class Budget {
  readonly #limits: Limits;
  readonly #end: number;
  #states = 0;
  #branches = 0;

  constructor(limits: Partial<Limits> = {}) {
    this.#limits = { ...defaults, ...limits };
    this.#end = performance.now() + this.#limits.milliseconds;
  }

  states(n: number): void {
    this.#states += n;
    if (this.#states > this.#limits.states) throw new TooLarge("it needs too many states");
    this.#time(this.#states, n);
  }

  branch(): void {
    if (++this.#branches > this.#limits.branches) throw new TooLarge("it has too many alternatives");
    this.#time(this.#branches, 1);
  }

  /** Looks at the clock now and then. */
  #time(count: number, step: number): void {
    if (count % 256 < step && performance.now() > this.#end) throw new TooLarge("it takes too long");
  }
}
