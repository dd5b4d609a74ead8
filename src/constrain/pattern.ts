import { JS } from "refa";
import type { Budget } from "./budget.js";
import { type Classes, type ClassOf, classesOf, complement, merge, type Ranges } from "./characters.js";
import * as dfas from "./dfa.js";
import { type Dfa, type Edge, maxCodePoint, subtract, trim } from "./dfa.js";

/** Why a pattern can't be used. */
export class PatternError extends Error {}

export interface CompiledPattern {
  dfa: Dfa;
  /** Whether it accepts all that the pattern does: not where the pattern is none of Unicode mode, since characters beyond U+FFFF are then left out. */
  exact: boolean;
}

/** A condition on the character before or after a place: that it is in the set, or that the text begins or ends there. */
interface Condition {
  set: Ranges;
  edge: boolean;
}
interface State {
  moves: { set: Ranges; to: number }[];
  jumps: { to: number; behind?: Condition; ahead?: Condition }[];
  accepts: boolean;
}
type Expression = ReturnType<JS.Parser["parse"]>["expression"];
type Alternatives = Expression["alternatives"];
type Element = Alternatives[number]["elements"][number];

/** Compiles a regular expression of ECMAScript, which a whole text must match, or (`search`) a part of it. Throws PatternError or TooLarge. */
export function compilePattern(source: string, search: boolean, budget: Budget): CompiledPattern {
  const { expression, unicode } = parse(source);
  const last = unicode ? maxCodePoint : 0xffff;
  return { dfa: new Builder(expression, last, search, budget).dfa(), exact: unicode };
}

function parse(source: string): { expression: Expression; unicode: boolean } {
  let reason = "";
  for (const flags of ["u", ""])
    try {
      const parser = JS.Parser.fromLiteral({ source, flags });
      const { expression } = parser.parse({ assertions: "parse", backreferences: "throw" });
      return { expression, unicode: flags === "u" };
    } catch (error) {
      reason ||= (error as Error).message.split("\n")[0] as string;
    }
  throw new PatternError(reason);
}

/** Makes an automaton of an expression from its end to its beginning, so that what follows a place is known there. */
class Builder {
  readonly #states: State[] = [];
  readonly #any: Ranges;
  readonly #budget: Budget;
  readonly #start: number;
  /** The state that accepts whatever comes; -1 without search. */
  readonly #rest: number;
  /** How many unlimited repetitions the present place lies in: what follows it is not complete then. */
  #loops = 0;

  constructor(expression: Expression, last: number, search: boolean, budget: Budget) {
    this.#any = [{ min: 0, max: last }];
    this.#budget = budget;
    const end = this.#add(true);
    this.#rest = search ? end : -1;
    if (search) this.#at(end).moves.push({ set: this.#any, to: end });
    const match = this.#alternatives(expression.alternatives, end);
    this.#start = search ? this.#add() : match;
    if (search) {
      this.#at(this.#start).moves.push({ set: this.#any, to: this.#start });
      this.#at(this.#start).jumps.push({ to: match });
    }
  }

  dfa(): Dfa {
    return this.#determine(this.#start, true);
  }

  #add(accepts = false): number {
    this.#budget.states(1);
    return this.#states.push({ moves: [], jumps: [], accepts }) - 1;
  }
  #at(state: number): State {
    return this.#states[state] as State;
  }

  #alternatives(alternatives: Alternatives, next: number): number {
    const starts = alternatives.map(({ elements }) =>
      elements.reduceRight((to, element) => this.#element(element, to), next),
    );
    if (starts.length === 1) return starts[0] as number;
    const fork = this.#add();
    for (const to of starts) this.#at(fork).jumps.push({ to });
    return fork;
  }

  #element(element: Element, next: number): number {
    switch (element.type) {
      case "CharacterClass": {
        const state = this.#add();
        this.#at(state).moves.push({ set: element.characters.ranges, to: next });
        return state;
      }
      case "Alternation":
        return this.#alternatives(element.alternatives, next);
      case "Quantifier":
        return this.#quantifier(element, next);
      case "Assertion":
        return this.#assertion(element, next);
      /* v8 ignore next 2 -- @preserve The parser throws where it would make an unknown part. */
      case "Unknown":
        throw new PatternError("it has a part that is not regular");
    }
  }

  #quantifier({ alternatives, min, max }: Extract<Element, { type: "Quantifier" }>, next: number): number {
    let to = next;
    if (max === Number.POSITIVE_INFINITY) {
      to = this.#add();
      this.#at(to).jumps.push({ to: next });
      this.#loops++;
      this.#at(to).jumps.push({ to: this.#alternatives(alternatives, to) });
      this.#loops--;
    } else {
      for (let n = min; n < max; n++) {
        const fork = this.#add();
        this.#at(fork).jumps.push({ to: next }, { to: this.#alternatives(alternatives, to) });
        to = fork;
      }
    }
    for (let n = 0; n < min; n++) to = this.#alternatives(alternatives, to);
    return to;
  }

  #assertion({ kind, negate, alternatives }: Extract<Element, { type: "Assertion" }>, next: number): number {
    const set = oneCharacter(alternatives);
    if (set) {
      const condition = negate ? { set: complement(set), edge: true } : { set, edge: false };
      const state = this.#add();
      this.#at(state).jumps.push({ to: next, [kind]: condition });
      return state;
    }
    if (kind === "behind") throw new PatternError("it looks behind for more than one character");
    if (this.#loops > 0) throw new PatternError("it looks ahead within a repetition");
    return this.#lookahead(alternatives, negate, next);
  }

  /** The texts that may follow a place and begin, or do not begin, with one of the alternatives. */
  #lookahead(alternatives: Alternatives, negate: boolean, next: number): number {
    const rest = this.#add(true);
    this.#at(rest).moves.push({ set: this.#any, to: rest });
    const seen = this.#determine(this.#alternatives(alternatives, rest), false, rest);
    const following = this.#determine(next, false);
    const left = (negate ? subtract : dfas.intersect)(following, seen, this.#budget);
    const states = left.labels.map((label) => this.#add(label >= 0));
    for (const [s, edges] of left.edges.entries())
      for (const [min, max, to] of edges)
        this.#at(states[s] as number).moves.push({ set: [{ min, max }], to: states[to] as number });
    return states[0] as number;
  }

  /** The deterministic automaton from a state on; `first`: it is known that the text begins there. */
  #determine(start: number, first: boolean, rest = this.#rest): Dfa {
    const { classes, classOf } = this.#classes();
    const numbers = new Map<string, number>();
    const sets: Item[][] = [];
    const number = (items: Item[]): number => {
      // Once everything is accepted, nothing else matters.
      const kept = items.some((item) => item.state === rest && item.ahead.length === 0)
        ? [{ state: rest, ahead: [] }]
        : items;
      const key = kept.map(keyOf).sort().join(" ");
      let n = numbers.get(key);
      if (n === undefined) {
        this.#budget.states(1);
        n = sets.push(kept) - 1;
        numbers.set(key, n);
      }
      return n;
    };
    number(this.#closure([start], first ? "start" : "unknown", classOf));
    const edges: Edge[][] = [];
    const labels: number[] = [];
    for (let at = 0; at < sets.length; at++) {
      const items = sets[at] as Item[];
      labels.push(items.some(({ state, ahead }) => this.#at(state).accepts && ahead.every((c) => c.edge)) ? 0 : -1);
      const own: Edge[] = [];
      for (const [c, ranges] of classes.entries()) {
        const targets = new Set<number>();
        for (const { state, ahead } of items)
          if (ahead.every((condition) => classOf(condition.set).has(c)))
            for (const move of this.#at(state).moves) if (classOf(move.set).has(c)) targets.add(move.to);
        if (targets.size === 0) continue;
        this.#budget.states(0);
        const to = number(this.#closure([...targets], c, classOf));
        for (const { min, max } of ranges) own.push([min, max, to]);
      }
      edges.push(own.sort((a, b) => a[0] - b[0]));
    }
    return trim({ edges, labels });
  }

  /** The items that are reached without a character, when `before` is the class of the one before. */
  #closure(states: readonly number[], before: number | "start" | "unknown", classOf: ClassOf): Item[] {
    const found = new Map<string, Item>();
    const stack: Item[] = states.map((state) => ({ state, ahead: [] }));
    for (let item = stack.pop(); item; item = stack.pop()) {
      const key = keyOf(item);
      if (found.has(key)) continue;
      found.set(key, item);
      for (const { to, behind, ahead } of this.#at(item.state).jumps) {
        if (behind) {
          if (before === "unknown") throw new PatternError("it looks behind right after it looks ahead");
          if (!(before === "start" ? behind.edge : classOf(behind.set).has(before))) continue;
        }
        const conditions = ahead && !item.ahead.includes(ahead) ? [...item.ahead, ahead] : item.ahead;
        stack.push({ state: to, ahead: conditions });
      }
    }
    return [...found.values()].filter(({ state }) => {
      const { moves, accepts } = this.#at(state);
      return moves.length > 0 || accepts;
    });
  }

  /** The classes of characters that the sets of all states tell apart. */
  #classes(): Classes {
    const sets = new Set<Ranges>();
    for (const { moves, jumps } of this.#states) {
      for (const { set } of moves) sets.add(set);
      for (const { behind, ahead } of jumps) for (const c of [behind, ahead]) if (c) sets.add(c.set);
    }
    return classesOf(sets, this.#any[0]?.max as number);
  }
}

/** A state with conditions on the next character. */
interface Item {
  state: number;
  ahead: readonly Condition[];
}

const conditionNumbers = new WeakMap<Condition, number>();
let conditions = 0;
function keyOf({ state, ahead }: Item): string {
  if (ahead.length === 0) return String(state);
  const numbers = ahead.map((c) => {
    const known = conditionNumbers.get(c) ?? ++conditions;
    conditionNumbers.set(c, known);
    return known;
  });
  return `${state}:${numbers.sort((a, b) => a - b).join()}`;
}

/** The set of an assertion that asks for one character. */
function oneCharacter(alternatives: Alternatives): Ranges | undefined {
  let out: Ranges = [];
  for (const { elements } of alternatives) {
    const [only, more] = elements;
    if (only?.type !== "CharacterClass" || more) return undefined;
    out = merge([...out, ...only.characters.ranges]);
  }
  return out;
}
