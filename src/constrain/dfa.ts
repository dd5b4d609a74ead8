import type { Budget } from "./budget.js";

/** The characters from the first to the last lead to a state. */
export type Edge = readonly [first: number, last: number, target: number];

/**
 * A deterministic automaton over code points. State 0 is the start; edges of a state are in rising order and disjoint. A label of -1: the state does not
 * accept. From every state an accepting one can be reached, but for the start of an automaton that accepts nothing.
 */
export interface Dfa {
  readonly edges: readonly (readonly Edge[])[];
  readonly labels: readonly number[];
}

export const maxCodePoint = 0x10ffff;

/** Accepts every text; halves of surrogate pairs are in none. */
export const anything: Dfa = {
  edges: [
    [
      [0, 0xd7ff, 0],
      [0xe000, maxCodePoint, 0],
    ],
  ],
  labels: [0],
};
const nothing: Dfa = { edges: [[]], labels: [-1] };

export function isEmpty(dfa: Dfa): boolean {
  return dfa.labels.length === 1 && dfa.labels[0] === -1;
}

/** The label that a text ends with, or -1. */
export function run(dfa: Dfa, text: string): number {
  let state = 0;
  for (const char of text) {
    const c = char.codePointAt(0) as number;
    const edge = dfa.edges[state]?.find(([first, last]) => first <= c && c <= last);
    if (!edge) return -1;
    state = edge[2];
  }
  return dfa.labels[state] as number;
}

/** Accepts the given texts. */
export function ofTexts(texts: readonly string[], budget: Budget): Dfa {
  const children: Map<number, number>[] = [new Map()];
  const labels = [-1];
  for (const text of texts) {
    let state = 0;
    for (const char of text) {
      const c = char.codePointAt(0) as number;
      const known = children[state]?.get(c);
      if (known === undefined) {
        budget.states(1);
        children[state]?.set(c, labels.length);
        state = labels.length;
        labels.push(-1);
        children.push(new Map());
      } else state = known;
    }
    labels[state] = 0;
  }
  const edges = children.map((of) => [...of].sort(([a], [b]) => a - b).map(([c, to]): Edge => [c, c, to]));
  return trim({ edges, labels });
}

/**
 * Both automata at once. `label` combines the labels of their states, -1 also where one has stopped; a pair goes on for as long as `goesOn` says of
 * those that have not stopped.
 */
function product(
  a: Dfa,
  b: Dfa,
  label: (a: number, b: number) => number,
  goesOn: (a: boolean, b: boolean) => boolean,
  budget: Budget,
): Dfa {
  const numbers = new Map<number, number>();
  const pairs: [number, number][] = [];
  const width = b.labels.length + 1;
  const number = (x: number, y: number): number => {
    const key = (x + 1) * width + y + 1;
    let n = numbers.get(key);
    if (n === undefined) {
      budget.states(1);
      n = pairs.length;
      numbers.set(key, n);
      pairs.push([x, y]);
    }
    return n;
  };
  number(0, 0);
  const edges: Edge[][] = [];
  const labels: number[] = [];
  for (let at = 0; at < pairs.length; at++) {
    const [x, y] = pairs[at] as [number, number];
    labels.push(label(x < 0 ? -1 : (a.labels[x] as number), y < 0 ? -1 : (b.labels[y] as number)));
    const own: Edge[] = [];
    for (const [first, last, p, q] of overlay(a.edges[x] ?? [], b.edges[y] ?? []))
      if (goesOn(p >= 0, q >= 0)) own.push([first, last, number(p, q)]);
    edges.push(own);
  }
  return trim({ edges, labels });
}

/** The edges of two states side by side: [first, last, target of one or -1, target of the other or -1]. */
function overlay(a: readonly Edge[], b: readonly Edge[]): [number, number, number, number][] {
  const out: [number, number, number, number][] = [];
  let i = 0;
  let j = 0;
  let at = 0;
  while (i < a.length || j < b.length) {
    const [af, al, at1] = a[i] ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1];
    const [bf, bl, bt1] = b[j] ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1];
    const first = Math.max(at, Math.min(af, bf));
    const inA = af <= first;
    const inB = bf <= first;
    const last = Math.min(inA ? al : af - 1, inB ? bl : bf - 1);
    out.push([first, last, inA ? at1 : -1, inB ? bt1 : -1]);
    at = last + 1;
    if (inA && al < at) i++;
    if (inB && bl < at) j++;
  }
  return out;
}

const both = (a: boolean, b: boolean): boolean => a && b;
const either = (a: boolean, b: boolean): boolean => a || b;
const former = (a: boolean): boolean => a;

export function intersect(a: Dfa, b: Dfa, budget: Budget): Dfa {
  if (a === anything) return b;
  if (b === anything) return a;
  return product(a, b, (x, y) => (x >= 0 && y >= 0 ? x : -1), both, budget);
}
export function unite(a: Dfa, b: Dfa, budget: Budget): Dfa {
  return product(a, b, (x, y) => (x >= 0 || y >= 0 ? 0 : -1), either, budget);
}
/** The texts of `a` that are not in `b`; they keep their labels. */
export function subtract(a: Dfa, b: Dfa, budget: Budget): Dfa {
  return product(a, b, (x, y) => (y >= 0 ? -1 : x), former, budget);
}
/** The texts of `a`, whose labels get the bit where `b` accepts them, too. */
export function mark(a: Dfa, b: Dfa, bit: number, budget: Budget): Dfa {
  return product(a, b, (x, y) => (x >= 0 && y >= 0 ? x | bit : x), former, budget);
}
export function relabel(dfa: Dfa, label: (label: number) => number): Dfa {
  return trim({ edges: dfa.edges, labels: dfa.labels.map((x) => (x < 0 ? -1 : label(x))) });
}

/** The texts with a number of characters from `min` to `max`. */
export function withLength(dfa: Dfa, min: number, max: number, budget: Budget): Dfa {
  if (min === 0 && max === Number.POSITIVE_INFINITY) return dfa;
  // Beyond the last limit that is finite, further characters change nothing.
  const last = max === Number.POSITIVE_INFINITY ? min : max;
  if (dfa.labels.length * last > 100_000) budget.states(dfa.labels.length * last);
  const next = (n: number): readonly Edge[] => {
    if (n < last) return [[0, maxCodePoint, n + 1]];
    return max === Number.POSITIVE_INFINITY ? [[0, maxCodePoint, n]] : [];
  };
  const counter: Dfa = {
    edges: Array.from({ length: last + 1 }, (_, n) => next(n)),
    labels: Array.from({ length: last + 1 }, (_, n) => (n >= min ? 0 : -1)),
  };
  return intersect(dfa, counter, budget);
}

/** Drops states from which no accepting one can be reached, and those that can't be reached. */
export function trim(dfa: Dfa): Dfa {
  const count = dfa.labels.length;
  const before: number[][] = Array.from({ length: count }, () => []);
  for (const [s, edges] of dfa.edges.entries()) for (const [, , to] of edges) before[to]?.push(s);
  const live = new Uint8Array(count);
  const stack = dfa.labels.flatMap((label, s) => (label >= 0 ? [s] : []));
  for (const s of stack) live[s] = 1;
  for (let s = stack.pop(); s !== undefined; s = stack.pop())
    for (const p of before[s] as number[])
      if (!live[p]) {
        live[p] = 1;
        stack.push(p);
      }
  if (!live[0]) return nothing;
  const numbers = new Int32Array(count).fill(-1);
  const order = [0];
  numbers[0] = 0;
  for (const s of order)
    for (const [, , to] of dfa.edges[s] as readonly Edge[])
      if (live[to] && numbers[to] === -1) {
        numbers[to] = order.length;
        order.push(to);
      }
  const edges = order.map((s) =>
    joined((dfa.edges[s] as readonly Edge[]).flatMap(([a, b, to]) => (live[to] ? [[a, b, numbers[to]] as Edge] : []))),
  );
  return { edges, labels: order.map((s) => dfa.labels[s] as number) };
}

/** Neighbours with one target become one edge. */
function joined(edges: readonly Edge[]): Edge[] {
  const out: Edge[] = [];
  for (const edge of edges) {
    const last = out.at(-1);
    if (last && last[1] + 1 === edge[0] && last[2] === edge[2]) out[out.length - 1] = [last[0], edge[1], last[2]];
    else out.push(edge);
  }
  return out;
}

/** A repetition of characters of one set: min to max of them. */
export interface Repetition {
  readonly set: readonly Edge[];
  readonly min: number;
  readonly max: number;
}

/** The automaton as a repetition, if it is one: such texts are counted, which takes no states. */
export function asRepetition(dfa: Dfa): Repetition | undefined {
  const set = (dfa.edges[0] as readonly Edge[]).map(([a, b]): Edge => [a, b, 0]);
  if (set.length === 0) return undefined;
  let min = -1;
  let state = 0;
  for (let n = 0; n <= dfa.labels.length; n++) {
    const edges = dfa.edges[state] as readonly Edge[];
    if ((dfa.labels[state] as number) >= 0) min = min < 0 ? n : min;
    else if (min >= 0) return undefined;
    if (edges.length === 0) return min < 0 ? undefined : { set, min, max: n };
    if (edges.length !== set.length || edges.some(([a, b], i) => a !== set[i]?.[0] || b !== set[i]?.[1]))
      return undefined;
    const to = (edges[0] as Edge)[2];
    if (edges.some(([, , target]) => target !== to)) return undefined;
    if (to === state) return min < 0 ? undefined : { set, min, max: Number.POSITIVE_INFINITY };
    if (to < state) return undefined;
    state = to;
  }
  return undefined;
}
