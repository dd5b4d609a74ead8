import type { Dfa, Repetition } from "./dfa.js";
import type { Json } from "./document.js";
import type { Bound } from "./numbers.js";

/**
 * A demand on a value: that it is valid under the schema with the number |demand| >> 1, or (odd) that it is not. A goal is a set of them, all of which a
 * value must meet.
 */
export type Demand = number;
export type Goal = readonly Demand[];

export const types = ["null", "boolean", "number", "string", "array", "object"] as const;
export type Type = (typeof types)[number];

export const demand = (schema: { number: number }, negated = false): Demand => schema.number * 2 + (negated ? 1 : 0);
export const opposite = (d: Demand): Demand => d ^ 1;
export const goalKey = (goal: Goal): string => [...new Set(goal)].sort((a, b) => a - b).join();

/** A language of strings, and whether it is to be left. */
export interface Language {
  dfa: Dfa;
  negated: boolean;
}

/** The properties of an object as one schema sees them. */
export interface PropertyRules {
  props: ReadonlyMap<string, Demand>;
  patterns: readonly { source: string; dfa: Dfa; demand: Demand }[];
  /** The demand on all others. */
  others: Demand | undefined;
}

/** The keywords of several schemas at once, as far as they are about values of one type. */
export class Facts {
  /** The only values, where they are listed. */
  values: Json[] | undefined;
  /** Values that are left out, of null and boolean. */
  without = new Set<Json>();
  // Numbers.
  min: Bound | undefined;
  max: Bound | undefined;
  kind: "any" | "integer" | "fraction" = "any";
  multiples: number[] = [];
  notMultiples: number[] = [];
  // Strings by their characters, arrays by their items, objects by their properties.
  least = 0;
  most = Number.POSITIVE_INFINITY;
  languages: Language[] = [];
  // Arrays.
  prefix: Demand[][] = [];
  rest: Demand[] = [];
  /** The place of the keyword that asks for items that differ. */
  unique: string | undefined;
  // Objects.
  rules: PropertyRules[] = [];
  required: string[] = [];
  absent = new Set<string>();
  /** Demands on all keys. */
  keys: Demand[] = [];
  /** Whether values that would be right are left out: that there are none is no proof then. */
  narrowed = false;
  /** Strings: what their languages and lengths come to; neither: any string with `least` to `most` characters. */
  text: Dfa | undefined;
  repetition: Repetition | undefined;
  /** A place to name when the keywords together can't be followed. */
  pointer: string;

  constructor(pointer: string) {
    this.pointer = pointer;
  }

  copy(): Facts {
    const copy = Object.assign(new Facts(this.pointer), this);
    copy.without = new Set(this.without);
    copy.multiples = [...this.multiples];
    copy.notMultiples = [...this.notMultiples];
    copy.languages = [...this.languages];
    copy.prefix = this.prefix.map((demands) => [...demands]);
    copy.rest = [...this.rest];
    copy.rules = [...this.rules];
    copy.required = [...this.required];
    copy.absent = new Set(this.absent);
    copy.keys = [...this.keys];
    return copy;
  }

  /** Tightens a limit of numbers. */
  atLeast(bound: Bound): void {
    const { min } = this;
    if (!min || bound.value > min.value || (bound.value === min.value && bound.exclusive)) this.min = bound;
  }
  atMost(bound: Bound): void {
    const { max } = this;
    if (!max || bound.value < max.value || (bound.value === max.value && bound.exclusive)) this.max = bound;
  }
  /** Tightens a limit of characters, items or properties. */
  count(least: number, most: number): void {
    this.least = Math.max(this.least, least);
    this.most = Math.min(this.most, most);
  }
  require(key: string): void {
    if (!this.required.includes(key)) this.required.push(key);
  }
  /** Adds demands on the item with an index, or on all from there on. */
  item(index: number, d: Demand): void {
    while (this.prefix.length <= index) this.prefix.push([...this.rest]);
    this.prefix[index]?.push(d);
  }
  itemsFrom(index: number, d: Demand): void {
    while (this.prefix.length < index) this.prefix.push([...this.rest]);
    for (const demands of this.prefix.slice(index)) demands.push(d);
    this.rest.push(d);
  }
}
