import { maxCodePoint } from "./dfa.js";

/** A set of characters by their code points, both ends included. */
export type Ranges = readonly { readonly min: number; readonly max: number }[];
/** The numbers of the classes that a set is made of. */
export type ClassOf = (set: Ranges) => ReadonlySet<number>;
export interface Classes {
  classes: Ranges[];
  classOf: ClassOf;
}

const surrogates = [0xd800, 0xe000] as const;

/** Makes one class of all characters up to `last` that no set tells apart. */
export function classesOf(sets: ReadonlySet<Ranges>, last: number): Classes {
  const cuts = new Set<number>([0, ...surrogates]);
  for (const set of sets) for (const { min, max } of set) cuts.add(min).add(max + 1);
  const starts = [...cuts].filter((c) => c <= last).sort((a, b) => a - b);
  const signatures: string[][] = starts.map(() => []);
  let id = 0;
  for (const set of sets) {
    const name = String(id++);
    for (const { min, max } of set)
      for (let i = indexOf(starts, min); i < starts.length && (starts[i] as number) <= max; i++)
        signatures[i]?.push(name);
  }
  const numbers = new Map<string, number>();
  const classes: { min: number; max: number }[][] = [];
  const classAt = starts.map((min, i) => {
    // No text holds half of a pair.
    if (min >= surrogates[0] && min < surrogates[1]) return -1;
    const key = (signatures[i] as string[]).join();
    const n = numbers.get(key) ?? numbers.set(key, classes.push([]) - 1).size - 1;
    (classes[n] as { min: number; max: number }[]).push({
      min,
      max: (starts[i + 1] ?? last + 1) - 1,
    });
    return n;
  });
  const known = new Map<Ranges, Set<number>>();
  const classOf: ClassOf = (set) => {
    let found = known.get(set);
    if (!found) {
      found = new Set();
      for (const { min, max } of set)
        for (let i = indexOf(starts, min); i < starts.length && (starts[i] as number) <= max; i++)
          found.add(classAt[i] as number);
      known.set(set, found);
    }
    return found;
  };
  return { classes, classOf };
}

/** The index of the first number that is not below `value`. */
function indexOf(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function merge(ranges: Ranges): Ranges {
  const out: { min: number; max: number }[] = [];
  for (const { min, max } of [...ranges].sort((a, b) => a.min - b.min)) {
    const last = out.at(-1);
    if (last && min <= last.max + 1) last.max = Math.max(last.max, max);
    else out.push({ min, max });
  }
  return out;
}

export function complement(ranges: Ranges): Ranges {
  const out: { min: number; max: number }[] = [];
  let next = 0;
  for (const { min, max } of merge(ranges)) {
    if (min > next) out.push({ min: next, max: min - 1 });
    next = max + 1;
  }
  if (next <= maxCodePoint) out.push({ min: next, max: maxCodePoint });
  return out;
}
