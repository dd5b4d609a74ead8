import type { Json, Schema } from "./document.js";
import { demand } from "./forms.js";
import type { Choice, Reader } from "./reader.js";
import { limit } from "./scalar-rules.js";

export function arrayKeyword(r: Reader, keyword: string, value: Json): void {
  switch (keyword) {
    case "minItems":
    case "maxItems":
      limit(r, keyword, value);
      return;
    case "prefixItems":
      prefixItems(r, r.list(keyword, value));
      return;
    case "items": {
      if (Array.isArray(value)) {
        prefixItems(
          r,
          value.map((_, i) => r.child("items", String(i))),
        );
        return;
      }
      const { prefixItems: prefix } = r.value;
      items(r, keyword, Array.isArray(prefix) ? prefix.length : 0);
      return;
    }
    case "additionalItems":
      if (Array.isArray(r.value.items)) items(r, keyword, r.value.items.length);
      return;
    case "unevaluatedItems":
      checkPlain(r, keyword);
      if (r.value.items === undefined || Array.isArray(r.value.items))
        items(r, keyword, ((r.value.prefixItems ?? r.value.items) as Json[] | undefined)?.length ?? 0);
      return;
    case "uniqueItems":
      r.expect(keyword, typeof value === "boolean", "true or false");
      if (value !== true) return;
      r.fact((f) => {
        f.unique ??= `${r.schema.pointer}/${keyword}`;
      });
      r.cannotFail(keyword);
      return;
    case "contains":
      contains(r, keyword);
  }
}

/** Items among which those that must be contained may stand: further back costs alternatives. */
const containedWithin = 8;
const maxPlaces = 64;
/** The first items of `prefixItems` move those places back, this many at most: the wanted ones are often behind them. */
const maxPrefix = 64;
const maxContained = 100;

function contains(r: Reader, keyword: string): void {
  const { minContains = 1, maxContains, prefixItems } = r.value;
  const least = r.count("minContains", minContains);
  const most = maxContains === undefined ? Number.POSITIVE_INFINITY : r.count("maxContains", maxContains);
  if (least > maxContained) r.refuse("minContains", `more than ${maxContained} items can't be followed`);
  if (maxContains !== undefined && most > maxContained)
    r.refuse("maxContains", `more than ${maxContained} items can't be followed`);
  const wanted = r.child(keyword);
  const within = containedWithin + (Array.isArray(prefixItems) ? Math.min(prefixItems.length, maxPrefix) : 0);
  /** The items at some places are wanted ones; `alone`: no others are. */
  const choice = (places: readonly number[], alone: boolean): Choice => ({
    facts: (f) => {
      const end = (places.at(-1) ?? -1) + 1;
      f.count(end, Number.POSITIVE_INFINITY);
      for (let i = 0; i < end; i++) {
        if (places.includes(i)) f.item(i, demand(wanted));
        else if (alone) f.item(i, demand(wanted, true));
      }
      if (alone) f.itemsFrom(end, demand(wanted, true));
      f.narrowed = true;
    },
  });
  const bounded = most < Number.POSITIVE_INFINITY;
  if (least > 0 || bounded)
    r.groups.push(placesOf(least, bounded ? most : least, within).map((places) => choice(places, bounded)));
  if (least > 0) for (const places of placesOf(0, least - 1, within)) r.fails.push(choice(places, true));
  if (bounded) for (const places of placesOf(most + 1, most + 1, within)) r.fails.push(choice(places, false));
  if (least > 1 || bounded) r.cannotFail(keyword); // not in all ways
}

/** Sets of `least` to `most` places, in rising order: all among the first `within`, or among fewer where these would be too many. */
function placesOf(least: number, most: number, within: number): number[][] {
  let n = Math.max(least, within);
  while (n > least && countOfSubsets(n, least, Math.min(most, n)) > maxPlaces) n--;
  return subsets(n, least, Math.min(most, n));
}

/** How many subsets with `least` to `most` members n things have, counted up to one more than maxPlaces. */
function countOfSubsets(n: number, least: number, most: number): number {
  let all = 0;
  let ofSize = 1; // n over size
  for (let size = 0; size <= most && all <= maxPlaces; size++) {
    if (size >= least) all += ofSize;
    ofSize = (ofSize * (n - size)) / (size + 1);
  }
  return all;
}

/** The subsets of 0 to n - 1 with `least` to `most` members. */
function subsets(n: number, least: number, most: number): number[][] {
  const all: number[][] = [];
  const add = (chosen: number[], from: number): void => {
    if (chosen.length >= least) all.push(chosen);
    if (chosen.length === most) return;
    for (let i = from; i <= n - Math.max(1, least - chosen.length); i++) add([...chosen, i], i + 1);
  };
  if (least <= most) add([], 0);
  return all;
}

function prefixItems(r: Reader, schemas: readonly Schema[]): void {
  r.fact((f) => {
    for (const [i, schema] of schemas.entries()) f.item(i, demand(schema));
  });
  for (const [i, schema] of schemas.entries())
    r.fails.push({
      facts: (f) => {
        f.count(i + 1, Number.POSITIVE_INFINITY);
        f.item(i, demand(schema, true));
      },
    });
}

/** The items from an index on. That one of them fails is only said of the first. */
function items(r: Reader, keyword: string, from: number): void {
  const schema = r.child(keyword);
  r.fact((f) => f.itemsFrom(from, demand(schema)));
  if (schema.value === true) return;
  r.fails.push({
    facts: (f) => {
      f.count(from + 1, Number.POSITIVE_INFINITY);
      f.item(from, demand(schema, true));
      f.narrowed = true;
    },
  });
}

/** The keywords that look at what others have looked at are followed only where there are no others. */
export function checkPlain(r: Reader, keyword: string): void {
  for (const other of ["$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "contains"])
    if (r.value[other] !== undefined) r.refuse(keyword, `it is not supported beside ${other}`);
}
