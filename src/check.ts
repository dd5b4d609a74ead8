/** Checks values that come from outside (options of a caller, JSON of a file) and says in one sentence what is wrong with them. */
import { UsageError } from "./errors.js";

/** The value of some JSON; undefined if it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A type that a value may have, and its name in errors. */
export interface Kind {
  name: string;
  is(value: unknown): boolean;
}

export const kinds = {
  text: { name: "a string", is: (value) => typeof value === "string" },
  texts: { name: "a list of strings", is: (value) => isList(value, (item) => typeof item === "string") },
  number: { name: "a number", is: (value) => typeof value === "number" },
  numbers: { name: "a list of numbers from 0", is: (value) => isList(value, isIndex) },
  flag: { name: "true or false", is: (value) => typeof value === "boolean" },
  callback: { name: "a function", is: (value) => typeof value === "function" },
  object: { name: "an object", is: (value) => typeof value === "object" && value !== null && !Array.isArray(value) },
  list: { name: "a list", is: (value) => Array.isArray(value) },
  signal: { name: "an AbortSignal", is: (value) => value instanceof AbortSignal },
} as const satisfies Record<string, Kind>;

/** One of some strings. */
export const oneOf = (...values: string[]): Kind => ({
  name: values.map((value) => JSON.stringify(value)).join(" or "),
  is: (value) => values.includes(value as string),
});

/** The kinds of all keys of an options object; a key that is missing here does not compile. */
export type Shape<T> = { [K in keyof Required<T>]: Kind };

/** Checks that an options object has known keys of the right kinds; absent and undefined are the same. Throws UsageError; `where` begins it. */
export function checkShape(value: unknown, shape: Readonly<Record<string, Kind>>, where: string): void {
  if (value === undefined) return;
  if (!kinds.object.is(value)) throw new UsageError(`${where} must be an object, not ${shown(value)}.`);
  checkKeys(value as object, Object.keys(shape), where);
  for (const [key, item] of Object.entries(value as object)) {
    const kind = shape[key] as Kind;
    if (item !== undefined && !kind.is(item))
      throw new UsageError(`${where}: ${key} must be ${kind.name}, not ${shown(item)}.`);
  }
}

/** Checks that an object has no unknown keys. Throws UsageError, which names a known key that is near. */
export function checkKeys(value: object, known: readonly string[], where: string): void {
  const key = Object.keys(value).find((each) => !known.includes(each));
  if (key === undefined) return;
  const near = nearest(key, known);
  const instead = near === undefined ? `; known are ${known.join(", ")}.` : `; did you mean "${near}"?`;
  throw new UsageError(`${where}: unknown key ${shown(key)}${instead}`);
}

/** A value in an error: short, and text in quotes. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** The word of a list that was probably meant: the same without case and dashes, the beginning of one, or one with few wrong letters. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_\s]/g, "");
  const wanted = plain(word).slice(0, 100);
  const allowed = Math.max(1, Math.floor(wanted.length / 4));
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const begins = wanted.length >= 3 && plain(name).startsWith(wanted);
    const distance = begins ? 1 : editDistance(wanted, plain(name));
    if (distance <= allowed && wanted.length > 1 && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name, distance };
  }
  return best?.name;
}

/** Damerau and Levenshtein's distance (optimal string alignment): letters that are missing, too many, wrong, or swapped. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] as number) + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}

function isList(value: unknown, item: (value: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(item);
}

function isIndex(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}
