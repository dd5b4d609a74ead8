import { SchemaError } from "../errors.js";
import type { ConstraintTables } from "../native/constraint.js";
import type { Budget } from "./budget.js";
import { anything, type Dfa, isEmpty, type Repetition, relabel } from "./dfa.js";
import { States } from "./encode.js";
import type { Facts, Goal } from "./forms.js";

export interface Counted {
  set: Repetition["set"] | undefined;
  min: number;
  max: number;
}
export interface ArrayForm {
  prefix: Node[];
  rest: Node;
  min: number;
  max: number;
}
export interface ObjectForm {
  facts: Facts;
  props: { key: string; node: Node; required: boolean }[];
  /** Keys that are none of the props, and the node of each of their labels. */
  others: Dfa;
  nodes: Node[];
}
/** The values of a goal. */
export interface Node {
  goal: Goal;
  number: number;
  words: string[];
  numbers: Dfa | undefined;
  texts: Dfa | undefined;
  counted: Counted[];
  /** The JSON texts of arrays whose items differ. */
  lists: Dfa | undefined;
  arrays: ArrayForm[];
  objects: ObjectForm[];
  /** Whether any value is possible. */
  productive: boolean;
}

const unlimited = 2 ** 31 - 1;

/** Writes the tables of a grammar (native/constrain/grammar.h). */
export class TableWriter {
  readonly #budget: Budget;
  readonly #states: States;
  readonly #starts = new Map<unknown, number>();
  readonly #repetitions = new Map<string, number>();

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#states = new States(budget);
  }

  /** Writes nodes that have a value each. Throws SchemaError. */
  write(nodes: readonly Node[], root: Node): ConstraintTables {
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
      this.#budget.states(t.nodes.length - length);
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
    let start = this.#repetitions.get(key);
    if (start === undefined) {
      start = this.#states.addString({ edges: [set], labels: [0] });
      this.#repetitions.set(key, start);
    }
    return start;
  }

  /** The state before a null, true, false, a number, a string that is not counted, or an array that is written as a text. */
  #scalars({ words, numbers, texts, lists }: Node): number {
    const edges: [number, number, number][] = [];
    for (const word of words) {
      const codes = [...word].map((c) => c.charCodeAt(0));
      let to = this.#states.final(0);
      for (const c of codes.slice(1).reverse()) to = this.#states.intern([[c, c, to]]);
      edges.push([codes[0] as number, codes[0] as number, to]);
    }
    for (const dfa of [numbers, lists]) {
      if (!dfa || isEmpty(dfa)) continue;
      const start = this.#starts.get(dfa) ?? this.#states.addText(dfa);
      this.#starts.set(dfa, start);
      for (const edge of this.#states.edges[start] ?? []) edges.push([...edge]);
    }
    if (texts && !isEmpty(texts)) edges.push([0x22, 0x22, this.#string(texts)]);
    return edges.length === 0 ? -1 : this.#states.intern(edges.sort((a, b) => a[0] - b[0]));
  }
}

function finite(n: number): number {
  return Math.min(n, unlimited);
}
