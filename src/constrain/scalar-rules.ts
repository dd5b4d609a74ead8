import type { Json } from "./document.js";
import { numberFormats, silentFormats, stringFormats } from "./formats.js";
import type { Facts } from "./forms.js";
import type { Reader } from "./reader.js";

export function numberKeyword(r: Reader, keyword: string, value: Json): void {
  const number = (): number => {
    r.expect(keyword, typeof value === "number" && Number.isFinite(value), "a number");
    return value as number;
  };
  switch (keyword) {
    case "minimum":
    case "exclusiveMinimum": {
      if (keyword === "exclusiveMinimum" && typeof value === "boolean") return; // draft 4: a part of minimum
      const exclusive = keyword === "exclusiveMinimum" || r.value.exclusiveMinimum === true;
      const bound = { value: number(), exclusive };
      r.fact((f) => f.atLeast(bound));
      r.fails.push({ facts: (f) => f.atMost({ value: bound.value, exclusive: !exclusive }) });
      return;
    }
    case "maximum":
    case "exclusiveMaximum": {
      if (keyword === "exclusiveMaximum" && typeof value === "boolean") return;
      const exclusive = keyword === "exclusiveMaximum" || r.value.exclusiveMaximum === true;
      const bound = { value: number(), exclusive };
      r.fact((f) => f.atMost(bound));
      r.fails.push({ facts: (f) => f.atLeast({ value: bound.value, exclusive: !exclusive }) });
      return;
    }
    case "multipleOf": {
      const of = number();
      r.expect(keyword, of > 0, "a number above 0");
      r.fact((f) => {
        f.multiples.push(of);
        f.pointer = r.schema.pointer;
      });
      // Only integers are written in one way, so that those that are no multiple can be.
      r.fails.push({ facts: (f) => setKind(f, "integer") && f.notMultiples.push(of) > 0 });
      return;
    }
  }
}

export function stringKeyword(r: Reader, keyword: string, value: Json): void {
  switch (keyword) {
    case "minLength":
    case "maxLength":
      limit(r, keyword, value);
      return;
    case "pattern": {
      r.expect(keyword, typeof value === "string", "a pattern");
      const { dfa, exact } = r.pattern(keyword, value as string, true);
      r.fact((f) => {
        f.languages.push({ dfa, negated: false });
        f.narrowed ||= !exact;
      });
      if (exact) r.fails.push({ facts: (f) => void f.languages.push({ dfa, negated: true }) });
      else r.cannotFail(keyword);
    }
  }
}

/** Limits of characters, items or properties. */
export function limit(r: Reader, keyword: string, value: Json): void {
  const n = r.count(keyword, value);
  if (keyword.startsWith("min")) {
    r.fact((f) => f.count(n, Number.POSITIVE_INFINITY));
    if (n > 0) r.fails.push({ facts: (f) => f.count(0, n - 1) });
  } else {
    r.fact((f) => f.count(0, n));
    r.fails.push({ facts: (f) => f.count(n + 1, Number.POSITIVE_INFINITY) });
  }
}

export function formatKeyword(r: Reader, value: Json): void {
  r.expect("format", typeof value === "string", "a name");
  const name = value as string;
  const source = Object.hasOwn(stringFormats, name) ? stringFormats[name] : undefined;
  const limits = Object.hasOwn(numberFormats, name) ? numberFormats[name] : undefined;
  if (source === undefined && limits === undefined && !silentFormats.has(name)) {
    if (!r.document.lax) r.refuse("format", `the format ${JSON.stringify(name)} is unknown`);
    return;
  }
  if (r.type === "string" && source !== undefined) {
    const { dfa } = r.pattern("format", source, false);
    r.fact((f) => {
      f.languages.push({ dfa, negated: false });
      f.narrowed = true;
    });
    r.cannotFail("format"); // readers differ in what is none
  }
  if (r.type === "number" && limits) {
    r.fact((f) => {
      f.atLeast({ value: limits[0], exclusive: false });
      f.atMost({ value: limits[1], exclusive: false });
      f.narrowed = true;
      // Readers that look at these formats take no fractions.
      if (f.kind === "any") f.kind = "integer";
      return f.kind === "integer";
    });
    r.cannotFail("format");
  }
}

export function setKind(facts: Facts, kind: "integer" | "fraction"): boolean {
  if (facts.kind !== "any" && facts.kind !== kind) return false;
  facts.kind = kind;
  return true;
}
