import type { Budget } from "./budget.js";
import { type Dfa, type Edge, ofTexts } from "./dfa.js";
import type { Json } from "./document.js";

/** Arrays whose items differ from each other, where the values that each item may have are few scalars. */
export interface UniqueForm {
  /** The values of the first items, and those of all further ones. */
  prefix: readonly (readonly Json[])[];
  rest: readonly Json[];
  least: number;
  most: number;
}

/** Most values of which arrays may have any order; of more, items come in the order in which the values are listed, since each order costs states. */
const maxAnyOrder = 8;

/** Whether arrays of so many values come in one order only. */
export const isOrdered = (values: number): boolean => values > maxAnyOrder;

/**
 * Accepts the JSON texts of the arrays. The items that have come are a part of a state, which a form with counters could not tell. Throws TooLarge.
 *
 * @returns an automaton that accepts nothing where there are no such arrays
 */
export function uniqueArrays({ prefix, rest, least, most }: UniqueForm, budget: Budget): Dfa {
  const texts = [...new Set([...prefix.flat(), ...rest].map((value) => JSON.stringify(value)))];
  const numbers = new Map(texts.map((text, i) => [text, i]));
  const domains = [...prefix, rest].map((values) =>
    values.map((value) => numbers.get(JSON.stringify(value)) as number),
  );
  const ordered = isOrdered(texts.length);
  const bound = most < texts.length ? most : Number.POSITIVE_INFINITY;
  const edges: Map<string, number>[] = [];
  const labels: number[] = [];
  const add = (label = -1): number => {
    budget.states(1);
    edges.push(new Map());
    return labels.push(label) - 1;
  };
  const link = (state: number, char: string, to: number): void => void edges[state]?.set(char, to);

  // `used` is a set of values, or, where they are ordered, the number of those that have been passed.
  const isUsed = (value: number, used: number): boolean => (ordered ? value < used : ((used >> value) & 1) === 1);
  const use = (value: number, used: number): number => (ordered ? value + 1 : used | (1 << value));
  const known = new Map<string, number | undefined>();
  /** The state before the item with an index; undefined when none may come. */
  const before = (index: number, used: number): number | undefined => {
    if (index >= bound) return undefined;
    const counted = bound === Number.POSITIVE_INFINITY ? Math.min(index, Math.max(least, prefix.length)) : index;
    const key = `${counted} ${used}`;
    if (known.has(key)) return known.get(key);
    let start: number | undefined;
    for (const value of domains[Math.min(index, prefix.length)] ?? []) {
      if (isUsed(value, used)) continue;
      const next = before(index + 1, use(value, used));
      const ends = index + 1 >= least;
      if (next === undefined && !ends) continue;
      start ??= add();
      let state = start;
      for (const char of texts[value] as string) {
        const to = edges[state]?.get(char) ?? add();
        link(state, char, to);
        state = to;
      }
      if (ends) link(state, "]", end);
      if (next !== undefined) link(state, ",", next);
    }
    known.set(key, start);
    return start;
  };

  const start = add();
  const end = add(0);
  const first = before(0, 0) ?? (least === 0 ? add() : undefined);
  if (first === undefined) return ofTexts([], budget);
  link(start, "[", first);
  if (least === 0) link(first, "]", end);
  const code = (char: string): number => char.codePointAt(0) as number;
  return {
    edges: edges.map((of) => [...of].map(([char, to]): Edge => [code(char), code(char), to]).sort(([a], [b]) => a - b)),
    labels,
  };
}
