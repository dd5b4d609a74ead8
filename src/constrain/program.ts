import { SchemaError } from "../errors.js";
import type { ConstraintTables } from "../native/constraint.js";
import {
  anything,
  type Dfa,
  intersect,
  isEmpty,
  mark,
  ofTexts,
  relabel,
  run,
  subtract,
  unite,
  withLength,
} from "./dfa.js";
import type { Json } from "./document.js";
import { type Demand, type Facts, type Goal, goalKey, type Type, types } from "./forms.js";
import { NumberError, numberDfa, numbersDfa } from "./numbers.js";
import { checkWhole, propertyGoal, type Solver } from "./solve.js";
import { type ArrayForm, type Node, type ObjectForm, TableWriter } from "./tables.js";
import { isOrdered, uniqueArrays } from "./unique.js";

const maxNodes = 20_000;
const maxPatterns = 16;
/** Values that unique items may have, and items that are compared two by two. */
const maxUnique = 200;
const maxTuple = 8;
const listedOnly = `their values are few and listed (enum, const, booleans, integers within limits)`;

/** Writes the tables of a grammar (native/constrain/grammar.h) of the values that are valid under a schema. */
export class Program {
  readonly #solver: Solver;
  readonly #nodes = new Map<string, Node>();
  readonly #made = new Map<string, Dfa>();

  constructor(solver: Solver) {
    this.#solver = solver;
  }

  /** Throws SchemaError when no value is valid, or none that can be written down. */
  tables(goal: Goal): ConstraintTables {
    const root = this.#node(goal);
    for (const node of this.#nodes.values()) this.#fill(node);
    this.#findProductive();
    if (!root.productive) throw new SchemaError("", "no value is valid under it");
    const nodes = [...this.#nodes.values()].filter(({ productive }) => productive);
    return new TableWriter(this.#solver.budget).write(nodes, root);
  }

  #node(goal: Goal): Node {
    const key = goalKey(goal);
    let node = this.#nodes.get(key);
    if (!node) {
      if (this.#nodes.size >= maxNodes) throw new SchemaError("", `it describes more than ${maxNodes} kinds of values`);
      node = {
        goal,
        number: -1,
        words: [],
        numbers: undefined,
        texts: undefined,
        counted: [],
        lists: undefined,
        arrays: [],
        objects: [],
        productive: false,
      };
      this.#nodes.set(key, node);
    }
    return node;
  }

  #fill(node: Node): void {
    const solutions = types.map((type) => this.#solver.solve(node.goal, type));
    checkWhole(this.#solver, node.goal, solutions);
    const of = (type: Type): readonly Facts[] => distinct(solutions[types.indexOf(type)]?.forms ?? []);
    for (const type of ["null", "boolean"] as const)
      for (const { values } of of(type)) for (const value of values ?? []) node.words.push(String(value));
    node.words = [...new Set(node.words)];
    for (const facts of of("number")) this.#addNumbers(node, facts);
    this.#addStrings(node, of("string"));
    for (const facts of of("array")) {
      const { prefix, rest, least, most } = facts;
      if (facts.unique !== undefined && !this.#differ(facts)) this.#addUnique(node, facts);
      else
        node.arrays.push({ prefix: prefix.map((g) => this.#node(g)), rest: this.#node(rest), min: least, max: most });
    }
    for (const facts of of("object")) node.objects.push(this.#object(facts));
  }

  #addNumbers(node: Node, facts: Facts): void {
    const { budget } = this.#solver;
    try {
      const { values, kind, min, max, multiples, notMultiples } = facts;
      const dfa = this.#once(["number", values ?? [kind, min, max, multiples, notMultiples]], () =>
        values ? numbersDfa(values as number[], budget) : numberDfa(facts, budget),
      );
      node.numbers = node.numbers ? unite(node.numbers, dfa, budget) : dfa;
    } catch (error) {
      if (error instanceof NumberError) throw new SchemaError(facts.pointer, error.message);
      throw error;
    }
  }

  /** Whether no two items of an array can be equal, as it is. */
  #differ({ prefix, rest, most }: Facts): boolean {
    const none = (goal: Goal): boolean => types.every((type) => this.#solver.isEmpty(goal, type));
    const length = Math.min(most, none(rest) ? prefix.length : most);
    if (length > maxTuple) return false;
    const goals = Array.from({ length }, (_, i) => prefix[i] ?? rest);
    return goals.every((a, i) => goals.slice(0, i).every((b) => none([...a, ...b])));
  }

  #addUnique(node: Node, { unique, prefix, rest, least, most }: Facts): void {
    const refuse = (why: string): never => {
      throw new SchemaError(unique as string, `unique items are followed only where ${why}`);
    };
    const valuesOf = (goal: Goal): Json[] => this.#solver.values(goal, maxUnique) ?? refuse(listedOnly);
    const first = prefix.slice(0, most).map(valuesOf);
    const form = { prefix: first, rest: most > prefix.length ? valuesOf(rest) : [], least, most };
    if (first.length > 0 && isOrdered(new Set([...first.flat(), ...form.rest]).size))
      refuse("all have the same schema");
    const { budget } = this.#solver;
    const dfa = this.#once(["unique", form], () => uniqueArrays(form, budget));
    node.lists = node.lists ? unite(node.lists, dfa, budget) : dfa;
  }

  #addStrings(node: Node, all: readonly Facts[]): void {
    const { budget } = this.#solver;
    for (const { values, text, repetition, least, most } of all) {
      if (values || (text && !repetition)) {
        const dfa = values ? ofTexts(values as string[], budget) : (text as Dfa);
        node.texts = node.texts ? unite(node.texts, dfa, budget) : dfa;
      } else if (repetition) node.counted.push(repetition);
      else node.counted.push({ set: undefined, min: least, max: most });
    }
    // Where any string will do, the others are among them.
    if (node.counted.some(({ set, min, max }) => !set && min === 0 && max === Number.POSITIVE_INFINITY)) {
      node.texts = anything;
      node.counted = [];
    }
  }

  #object(facts: Facts): ObjectForm {
    const named = [...new Set([...facts.rules.flatMap(({ props }) => [...props.keys()]), ...facts.required])];
    const props = named
      .filter((key) => !facts.absent.has(key))
      .map((key) => {
        const allowed = facts.keys.every((d) => this.#allowsKey(d, key));
        const goal = allowed ? propertyGoal(facts, key) : [this.#solver.document.nothing.number * 2];
        return { key, node: this.#node(goal), required: facts.required.includes(key) };
      });
    const patterns = [...new Map(facts.rules.flatMap((r) => r.patterns.map((p): [string, Dfa] => [p.source, p.dfa])))];
    if (patterns.length > maxPatterns) throw new SchemaError(facts.pointer, `more than ${maxPatterns} patterns meet`);
    const others = this.#otherKeys([...new Set([...named, ...facts.absent])].sort(), patterns, facts.keys);
    const labels = [...new Set(others.labels)].filter((label) => label >= 0);
    const nodes = labels.map((label) => {
      const matched = new Set(patterns.filter((_, i) => label & (1 << i)).map(([source]) => source));
      return this.#node(
        facts.rules.flatMap((rules) => {
          const found = rules.patterns.filter(({ source }) => matched.has(source)).map((p) => p.demand);
          return found.length === 0 && rules.others !== undefined ? [rules.others] : found;
        }),
      );
    });
    return { facts, props, others: patterns.length > 0 ? relabel(others, (x) => labels.indexOf(x)) : others, nodes };
  }

  /** Keys that are none of the excluded ones and meet some demands; their labels say which patterns they match. */
  #otherKeys(excluded: readonly string[], patterns: readonly [string, Dfa][], demands: readonly Demand[]): Dfa {
    const { budget } = this.#solver;
    return this.#once(["keys", excluded, patterns.map(([source]) => source), demands], () => {
      let others = anything;
      for (const d of demands) others = intersect(others, this.#texts([d]), budget);
      if (excluded.length > 0) others = subtract(others, ofTexts(excluded, budget), budget);
      if (patterns.length > 0) others = relabel(others, () => 0);
      for (const [i, [, dfa]] of patterns.entries()) others = mark(others, dfa, 1 << i, budget);
      return others;
    });
  }

  /** The strings that meet a goal, as one automaton. */
  #texts(goal: Goal): Dfa {
    const { budget } = this.#solver;
    return this.#once(["texts", goalKey(goal)], () => {
      const parts = this.#solver.solve(goal, "string").forms.map(({ values, text, least, most }) => {
        if (values) return ofTexts(values as string[], budget);
        return withLength(text ?? anything, least, most, budget);
      });
      return parts.reduce((a, b) => unite(a, b, budget), ofTexts([], budget));
    });
  }

  /** Automata are made once, whoever asks: objects of one schema have many members of a kind. */
  #once(key: unknown, make: () => Dfa): Dfa {
    const text = JSON.stringify(key);
    const dfa = this.#made.get(text) ?? make();
    this.#made.set(text, dfa);
    return dfa;
  }

  #allowsKey(d: Demand, key: string): boolean {
    return run(this.#texts([d]), key) >= 0;
  }

  /** Marks nodes that have a value, over and over, since values lie in each other; then drops all that needs one without. */
  #findProductive(): void {
    const possible = (node: Node): boolean =>
      node.words.length > 0 ||
      (node.numbers !== undefined && !isEmpty(node.numbers)) ||
      (node.texts !== undefined && !isEmpty(node.texts)) ||
      node.counted.length > 0 ||
      (node.lists !== undefined && !isEmpty(node.lists)) ||
      node.arrays.some(isPossibleArray) ||
      node.objects.some(isPossibleObject);
    for (let more = true; more; ) {
      more = false;
      for (const node of this.#nodes.values())
        if (!node.productive && possible(node)) {
          node.productive = true;
          more = true;
        }
    }
    for (const node of this.#nodes.values()) {
      node.arrays = node.arrays.filter(isPossibleArray);
      node.objects = node.objects.filter(isPossibleObject);
    }
  }
}

function isPossibleArray({ prefix, rest, min }: ArrayForm): boolean {
  return prefix.slice(0, min).every(({ productive }) => productive) && (min <= prefix.length || rest.productive);
}

function isPossibleObject({ facts, props, others, nodes }: ObjectForm): boolean {
  if (props.some(({ node, required }) => required && !node.productive)) return false;
  const usable = props.filter(({ node }) => node.productive).length;
  return facts.least <= usable || (!isEmpty(others) && nodes.some(({ productive }) => productive));
}

/** Equal forms once. */
function distinct(all: readonly Facts[]): readonly Facts[] {
  if (all.length < 2) return all;
  const seen = new Set<string>();
  const numbers = new Map<unknown, number>();
  const id = (x: unknown): number => numbers.get(x) ?? numbers.set(x, numbers.size).size - 1;
  return all.filter((facts) => {
    const key = JSON.stringify(facts, (_, value: unknown) => {
      if (value instanceof Set || value instanceof Map) return [...value];
      return typeof value === "object" && value !== null && "labels" in value ? id(value) : value;
    });
    return seen.size < seen.add(key).size;
  });
}
