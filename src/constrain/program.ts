import { SchemaError } from "../errors.js";
import type { ConstraintTables } from "../native/constraint.js";
import {
  anything,
  type Dfa,
  intersect,
  isEmpty,
  mark,
  ofTexts,
  type Repetition,
  relabel,
  run,
  subtract,
  unite,
  withLength,
} from "./dfa.js";
import { States } from "./encode.js";
import { type Demand, type Facts, type Goal, goalKey, type Type, types } from "./forms.js";
import { NumberError, numberDfa, numbersDfa } from "./numbers.js";
import { checkWhole, propertyGoal, type Solver } from "./solve.js";

interface Counted {
  set: Repetition["set"] | undefined;
  min: number;
  max: number;
}
interface ArrayForm {
  prefix: Node[];
  rest: Node;
  min: number;
  max: number;
}
interface ObjectForm {
  facts: Facts;
  props: { key: string; node: Node; required: boolean }[];
  /** Keys that are none of the props, and the node of each of their labels. */
  others: Dfa;
  nodes: Node[];
}
/** The values of a goal. */
interface Node {
  goal: Goal;
  number: number;
  words: string[];
  numbers: Dfa | undefined;
  texts: Dfa | undefined;
  counted: Counted[];
  arrays: ArrayForm[];
  objects: ObjectForm[];
  /** Whether any value is possible. */
  productive: boolean;
}

const maxNodes = 20_000;
const unlimited = 2 ** 31 - 1;
const maxPatterns = 16;

/** Writes the tables of a grammar (native/constrain/grammar.h) of the values that are valid under a schema. */
export class Program {
  readonly #solver: Solver;
  readonly #nodes = new Map<string, Node>();
  readonly #states: States;
  readonly #keys = new Map<string, Dfa>();
  readonly #starts = new Map<unknown, number>();
  readonly #stringStarts = new Map<string, number>();

  constructor(solver: Solver) {
    this.#solver = solver;
    this.#states = new States(solver.budget);
  }

  /** Throws SchemaError when no value is valid, or none that can be written down. */
  tables(goal: Goal): ConstraintTables {
    const root = this.#node(goal);
    for (const node of this.#nodes.values()) this.#fill(node);
    this.#findProductive();
    if (!root.productive) throw new SchemaError("", "no value is valid under it");
    return this.#write(root);
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
    for (const { prefix, rest, least, most } of of("array"))
      node.arrays.push({ prefix: prefix.map((g) => this.#node(g)), rest: this.#node(rest), min: least, max: most });
    for (const facts of of("object")) node.objects.push(this.#object(facts));
  }

  #addNumbers(node: Node, facts: Facts): void {
    const { budget } = this.#solver;
    try {
      const dfa = facts.values ? numbersDfa(facts.values as number[], budget) : numberDfa(facts, budget);
      node.numbers = node.numbers ? unite(node.numbers, dfa, budget) : dfa;
    } catch (error) {
      if (error instanceof NumberError) throw new SchemaError(facts.pointer, error.message);
      throw error;
    }
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
    const key = JSON.stringify([excluded, patterns.map(([source]) => source), demands]);
    let others = this.#keys.get(key);
    if (!others) {
      others = anything;
      for (const d of demands) others = intersect(others, this.#texts([d]), budget);
      if (excluded.length > 0) others = subtract(others, ofTexts(excluded, budget), budget);
      if (patterns.length > 0) others = relabel(others, () => 0);
      for (const [i, [, dfa]] of patterns.entries()) others = mark(others, dfa, 1 << i, budget);
      this.#keys.set(key, others);
    }
    return others;
  }

  /** The strings that meet a goal, as one automaton. */
  #texts(goal: Goal): Dfa {
    const { budget } = this.#solver;
    const parts = this.#solver.solve(goal, "string").forms.map(({ values, text, least, most }) => {
      if (values) return ofTexts(values as string[], budget);
      return withLength(text ?? anything, least, most, budget);
    });
    return parts.reduce((a, b) => unite(a, b, budget), ofTexts([], budget));
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

  #write(root: Node): ConstraintTables {
    const nodes = [...this.#nodes.values()].filter(({ productive }) => productive);
    for (const [i, node] of nodes.entries()) node.number = i;
    const t = {
      nodes: [] as number[],
      counted: [] as number[],
      arrays: [] as number[],
      items: [] as number[],
      objects: [] as number[],
      props: [] as number[],
      keyStarts: [0],
      keys: [] as number[],
    };
    const utf8 = new TextEncoder();
    for (const node of nodes) {
      const counted = t.counted.length / 3;
      for (const { set, min, max } of node.counted) t.counted.push(this.#repetition(set), min, finite(max));
      const arrays = t.arrays.length / 5;
      for (const { prefix, rest, min, max } of node.arrays) {
        const end = prefix.findIndex(({ productive }) => !productive);
        const usable = end < 0 ? prefix : prefix.slice(0, end);
        const further = end < 0 && rest.productive ? rest.number : -1;
        const from = t.items.length;
        t.items.push(...usable.map(({ number }) => number));
        const most = further < 0 ? Math.min(finite(max), usable.length) : finite(max);
        t.arrays.push(from, t.items.length, further, min, most);
      }
      const objects = t.objects.length / 7;
      for (const { facts, props, others, nodes: of } of node.objects) {
        const from = t.props.length / 2;
        for (const { key, node: value, required } of props) {
          if (!value.productive) continue;
          t.props.push(value.number, Number(required));
          t.keys.push(...utf8.encode(JSON.stringify(key).slice(1)));
          t.keyStarts.push(t.keys.length);
        }
        const usable = of.filter(({ productive }) => productive);
        const label = (x: number): number => (of[x]?.productive ? usable.indexOf(of[x] as Node) : -1);
        const keys = usable.length === of.length ? others : relabel(others, label);
        const state = isEmpty(keys) ? -1 : this.#string(keys);
        const to = t.props.length / 2;
        const first = t.items.length;
        t.items.push(...usable.map(({ number }) => number));
        this.#checkLeast(facts, to - from, state >= 0);
        t.objects.push(from, to, state, first, t.items.length, facts.least, finite(facts.most));
      }
      const { length } = t.nodes;
      t.nodes.push(this.#scalars(node), counted, t.counted.length / 3, arrays, t.arrays.length / 5);
      t.nodes.push(objects, t.objects.length / 7);
      this.#solver.budget.states(t.nodes.length - length);
    }
    const starts = [0];
    const edges: number[] = [];
    for (const own of this.#states.edges) {
      for (const edge of own) edges.push(...edge);
      starts.push(edges.length / 3);
    }
    const ints = (list: readonly number[]): Int32Array => Int32Array.from(list);
    return {
      root: root.number,
      finalState: this.#states.final(0),
      edgeStarts: ints(starts),
      edges: ints(edges),
      labels: ints(this.#states.labels),
      nodes: ints(t.nodes),
      counted: ints(t.counted),
      arrays: ints(t.arrays),
      items: ints(t.items),
      objects: ints(t.objects),
      props: ints(t.props),
      keyStarts: ints(t.keyStarts),
      keys: Uint8Array.from(t.keys),
    };
  }

  /** Keys that the schema does not name may repeat, and a reader keeps one of them: so they count once. */
  #checkLeast({ least, pointer }: Facts, props: number, others: boolean): void {
    if (others && least > props + 1)
      throw new SchemaError(pointer, `it wants ${least} properties, but names ${props}: others can't be told apart`);
  }

  #string(dfa: Dfa): number {
    let start = this.#starts.get(dfa);
    if (start === undefined) {
      start = this.#states.addString(dfa);
      this.#starts.set(dfa, start);
    }
    return start;
  }

  #repetition(set: Repetition["set"] | undefined): number {
    if (!set) return this.#string(anything);
    const key = set.join();
    let start = this.#stringStarts.get(key);
    if (start === undefined) {
      start = this.#states.addString({ edges: [set], labels: [0] });
      this.#stringStarts.set(key, start);
    }
    return start;
  }

  /** The state before a null, true, false, a number, or a string that is not counted. */
  #scalars({ words, numbers, texts }: Node): number {
    const edges: [number, number, number][] = [];
    for (const word of words) {
      const codes = [...word].map((c) => c.charCodeAt(0));
      let to = this.#states.final(0);
      for (const c of codes.slice(1).reverse()) to = this.#states.intern([[c, c, to]]);
      edges.push([codes[0] as number, codes[0] as number, to]);
    }
    if (numbers && !isEmpty(numbers)) {
      const start = this.#starts.get(numbers) ?? this.#states.addText(numbers);
      this.#starts.set(numbers, start);
      for (const edge of this.#states.edges[start] ?? []) edges.push([...edge]);
    }
    if (texts && !isEmpty(texts)) edges.push([0x22, 0x22, this.#string(texts)]);
    return edges.length === 0 ? -1 : this.#states.intern(edges.sort((a, b) => a[0] - b[0]));
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

function finite(n: number): number {
  return Math.min(n, unlimited);
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
