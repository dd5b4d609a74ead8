import { SchemaError } from "../errors.js";
import type { Budget } from "./budget.js";
import { anything, asRepetition, type Dfa, intersect, isEmpty, run, subtract, withLength } from "./dfa.js";
import type { Document, Json, JsonObject } from "./document.js";
import { type Demand, demand, Facts, type Goal, goalKey, opposite, type Type, types } from "./forms.js";
import { isOfForm } from "./numbers.js";
import type { Choice, Rules } from "./reader.js";
import { type Meaning, meaningOf } from "./rules.js";

/** All that values of one type may be: each of the forms, without demands that contradict. */
export interface Solution {
  forms: readonly Facts[];
  /** Whether nothing else is valid; otherwise something was left out that can't be written down. */
  whole: boolean;
}

interface State {
  /** Demands that are still to be looked at. */
  demands: Demand[];
  done: Set<Demand>;
  groups: Choice[][];
  facts: Facts;
}

/** Depth to which the values of required properties are looked at to tell alternatives apart. */
const lookDepth = 3;

/** Turns goals into forms: demands are taken apart, and of each group of choices every one is tried. */
export class Solver {
  readonly document: Document;
  readonly budget: Budget;
  readonly #rules: Rules;
  readonly #meanings = new Map<string, Meaning>();
  readonly #solutions = new Map<string, Solution>();
  readonly #running = new Set<string>();
  readonly #languages = new Map<Dfa, number>();
  readonly #texts = new Map<string, Dfa>();

  constructor(document: Document, budget: Budget) {
    this.document = document;
    this.budget = budget;
    this.#rules = { document, budget, patterns: new Map() };
  }

  /** The forms of the values of a type that meet a goal. Throws SchemaError where none can be written down, though there may be some. */
  solve(goal: Goal, type: Type): Solution {
    const key = `${type} ${goalKey(goal)}`;
    const known = this.#solutions.get(key);
    if (known) return known;
    this.#running.add(key);
    const run = new Run(this, type);
    const solution = run.solve(goal);
    this.#running.delete(key);
    this.#solutions.set(key, solution);
    return solution;
  }

  meaning(d: Demand, type: Type): Meaning {
    const key = `${type} ${d >> 1}`;
    let known = this.#meanings.get(key);
    if (!known) {
      known = meaningOf(this.#rules, this.document.at(d >> 1), type);
      this.#meanings.set(key, known);
    }
    return known;
  }

  /** All values that meet a goal, if they are scalars and at most `most`; else undefined. */
  values(goal: Goal, most: number): Json[] | undefined {
    const all = new Set<Json>();
    for (const type of types)
      for (const facts of this.solve(goal, type).forms) {
        const listed = type === "array" || type === "object" ? undefined : (facts.values ?? integers(facts, most));
        if (!listed || all.size + listed.length > most) return undefined;
        for (const value of listed) all.add(value);
      }
    return [...all];
  }

  /** Whether it is certain that no value of the type meets a goal. */
  isEmpty(goal: Goal, type: Type, depth = lookDepth): boolean {
    if (this.#running.has(`${type} ${goalKey(goal)}`)) return false;
    const { forms, whole } = this.solve(goal, type);
    return whole && forms.every((facts) => !facts.narrowed && this.#lacksMember(facts, type, depth));
  }

  /** Whether something that a form needs can't be. */
  #lacksMember(facts: Facts, type: Type, depth: number): boolean {
    if (depth === 0) return false;
    const never = (goal: Goal): boolean => types.every((t) => this.isEmpty(goal, t, depth - 1));
    if (type === "object") return facts.required.some((key) => never(propertyGoal(facts, key)));
    if (type === "array")
      return Array.from({ length: Math.min(facts.least, 8) }, (_, i) => facts.prefix[i] ?? facts.rest).some(never);
    return false;
  }

  /** The strings of some facts. */
  text(facts: Facts): Dfa {
    const { languages, least, most } = facts;
    const id = (dfa: Dfa): number => {
      const n = this.#languages.get(dfa) ?? this.#languages.size;
      this.#languages.set(dfa, n);
      return n;
    };
    const key = `${languages.map(({ dfa, negated }) => `${negated ? "-" : ""}${id(dfa)}`).sort()} ${least} ${most}`;
    let text = this.#texts.get(key);
    if (!text) {
      text = anything;
      for (const { dfa, negated } of languages) text = (negated ? subtract : intersect)(text, dfa, this.budget);
      const repetition = asRepetition(text);
      if (repetition && Math.max(repetition.min, least) <= Math.min(repetition.max, most)) {
        facts.repetition = {
          set: repetition.set,
          min: Math.max(repetition.min, least),
          max: Math.min(repetition.max, most),
        };
        return text;
      }
      text = withLength(text, least, most, this.budget);
      this.#texts.set(key, text);
    }
    return text;
  }
}

/** The demands on the value of a key. */
export function propertyGoal({ rules }: Facts, key: string): Demand[] {
  return rules.flatMap(({ props, patterns, others }) => {
    const found = patterns.filter(({ dfa }) => run(dfa, key) >= 0).map((pattern) => pattern.demand);
    const own = props.get(key);
    if (own !== undefined) found.push(own);
    return found.length === 0 && others !== undefined ? [others] : found;
  });
}

class Run {
  readonly #solver: Solver;
  readonly #type: Type;
  readonly #forms: Facts[] = [];
  #lost: string | undefined;

  constructor(solver: Solver, type: Type) {
    this.#solver = solver;
    this.#type = type;
  }

  solve(goal: Goal): Solution {
    const pointer = goal.length > 0 ? this.#solver.document.at((goal[0] as Demand) >> 1).pointer : "";
    this.#go({ demands: [], done: new Set(), groups: [], facts: new Facts(pointer) }, { demands: [...goal] });
    return { forms: this.#forms, whole: this.#lost === undefined };
  }

  /** Takes a choice, then all that follows from it. */
  #go(state: State, choice: Choice): void {
    this.#solver.budget.branch();
    if (!this.#take(state, choice)) return;
    for (let d = state.demands.shift(); d !== undefined; d = state.demands.shift()) if (!this.#meet(state, d)) return;
    const group = state.groups.shift();
    if (!group) this.#finish(state.facts);
    for (const next of group ?? [])
      this.#go(
        {
          demands: [],
          done: new Set(state.done),
          groups: [...state.groups],
          facts: state.facts.copy(),
        },
        next,
      );
  }

  #take(state: State, { demands = [], groups = [], facts }: Choice): boolean {
    if (facts?.(state.facts) === false) return false;
    const held = demands.filter((d) => d % 2 === 0);
    for (const d of demands) {
      // A schema that excludes one that holds fails anyway.
      if (d % 2 === 1 && held.some((other) => this.#solver.isEmpty([opposite(d), other], this.#type))) continue;
      state.demands.push(d);
    }
    // Short groups first: they may end the branch.
    state.groups.push(...groups);
    state.groups.sort((a, b) => a.length - b.length);
    return true;
  }

  #meet(state: State, d: Demand): boolean {
    if (state.done.has(d)) return true;
    if (state.done.has(opposite(d))) return false;
    state.done.add(d);
    const meaning = this.#solver.meaning(d, this.#type);
    if (d % 2 === 0) return this.#take(state, meaning.holds);
    const { fails, inexpressible } = meaning;
    if (fails.some((choice) => Object.keys(choice).length === 0)) return true;
    if (this.#solver.isEmpty([opposite(d)], this.#type)) return true;
    if (inexpressible !== undefined) this.#lost ??= inexpressible;
    if (fails.length === 0) return false;
    if (fails.length === 1) return this.#take(state, fails[0] as Choice);
    state.groups.push(fails);
    state.groups.sort((a, b) => a.length - b.length);
    return true;
  }

  #finish(facts: Facts): void {
    for (const form of this.#listed(facts)) if (this.#isPossible(form)) this.#forms.push(form);
  }

  /** Listed arrays and objects as forms of constants. */
  #listed(facts: Facts): Facts[] {
    const { values } = facts;
    if (!values || (this.#type !== "array" && this.#type !== "object")) return [facts];
    const { document } = this.#solver;
    return values.map((value) => {
      const form = facts.copy();
      form.values = undefined;
      const constant = (inner: Json): Demand => demand(document.constant(inner, facts.pointer));
      if (Array.isArray(value)) {
        form.count(value.length, value.length);
        for (const [i, inner] of value.entries()) form.item(i, constant(inner));
      } else {
        const props = new Map(Object.entries(value as JsonObject).map(([key, inner]) => [key, constant(inner)]));
        form.rules.unshift({ props, patterns: [], others: demand(document.nothing) });
        for (const key of props.keys()) form.require(key);
      }
      return form;
    });
  }

  #isPossible(facts: Facts): boolean {
    const { values, min, max, least, most } = facts;
    switch (this.#type) {
      case "null":
      case "boolean":
        facts.values = (values ?? (this.#type === "null" ? [null] : [false, true])).filter(
          (v) => !facts.without.has(v),
        );
        return facts.values.length > 0;
      case "number":
        if (values) facts.values = values.filter((value) => isOfForm(value as number, facts));
        if (min && max && (min.value > max.value || (min.value === max.value && (min.exclusive || max.exclusive))))
          return false;
        return facts.values?.length !== 0;
      case "string": {
        if (least > most) return false;
        if (facts.languages.length > 0) facts.text = this.#solver.text(facts);
        if (values)
          facts.values = (values as string[]).filter((value) => {
            const length = [...value].length;
            const inside = !facts.text || run(facts.text, value) >= 0;
            return inside && length >= least && length <= most && !/\p{Cs}/u.test(value);
          });
        return values ? facts.values?.length !== 0 : !facts.text || !isEmpty(facts.text);
      }
      case "array":
        return least <= most;
      case "object":
        return least <= most && facts.required.length <= most && !facts.required.some((key) => facts.absent.has(key));
    }
  }
}

/** The integers of some facts, if they have limits and are at most `most`. */
function integers(facts: Facts, most: number): number[] | undefined {
  const { kind, min, max } = facts;
  if (kind !== "integer" || !min || !max || max.value - min.value > most) return undefined;
  if (Math.max(-min.value, max.value) > Number.MAX_SAFE_INTEGER) return undefined;
  const from = Math.ceil(min.value);
  const all = Array.from({ length: Math.max(0, Math.floor(max.value) - from + 1) }, (_, i) => from + i);
  return all.filter((value) => isOfForm(value, facts));
}

/** Throws where a goal has no value at all only because of what can't be written down. */
export function checkWhole(solver: Solver, goal: Goal, solutions: readonly Solution[]): void {
  if (solutions.every(({ forms, whole }) => forms.length === 0 && whole)) return;
  if (solutions.some(({ forms }) => forms.length > 0)) return;
  const { pointer } = solver.document.at((goal[0] as Demand) >> 1);
  throw new SchemaError(pointer, "that a value is not valid under a schema can't be followed here");
}
