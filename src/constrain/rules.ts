import { arrayKeyword } from "./array-rules.js";
import { ofTexts } from "./dfa.js";
import type { Json, JsonObject, Schema } from "./document.js";
import { type Demand, demand, type Type } from "./forms.js";
import { objectKeyword } from "./object-rules.js";
import { type Choice, Reader, type Rules } from "./reader.js";
import { formatKeyword, numberKeyword, setKind, stringKeyword } from "./scalar-rules.js";

/** The meaning of a schema for one type: its own keywords as one choice (all hold), and how each of them may fail (any does). */
export interface Meaning {
  holds: Choice;
  fails: Choice[];
  /** A place whose failing can't be written down; it is left out of `fails`. */
  inexpressible: string | undefined;
}

export function typeOf(value: Json): Type {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as Type;
}

const never: Meaning = { holds: { facts: () => false }, fails: [{}], inexpressible: undefined };

/** The meaning of a schema for values of a type. Throws SchemaError. */
export function meaningOf(rules: Rules, schema: Schema, type: Type): Meaning {
  if (schema.value === false) return never;
  if (schema.value === true) return { holds: {}, fails: [], inexpressible: undefined };
  const r = new Reader(rules, schema, schema.value, type);
  const { type: names, ...rest } = schema.value;
  // Values of other types fail by this alone.
  if (names !== undefined && !readType(r, names)) return never;
  for (const keyword of Object.keys(rest)) readKeyword(r, keyword, rest[keyword] as Json);
  const { demands, groups, fails, inexpressible } = r;
  return { holds: { demands, groups, facts: (facts) => r.state(facts) }, fails, inexpressible };
}

/** Whether the type is among those of the keyword. */
function readType(r: Reader, type: Json): boolean {
  const list = (Array.isArray(type) ? type : [type]) as string[];
  const names = ["null", "boolean", "number", "integer", "string", "array", "object"];
  for (const name of list) r.expect("type", names.includes(name), `one of ${names.join(", ")}`);
  if (r.type === "number" && !list.includes("number") && list.includes("integer")) {
    r.fact((f) => setKind(f, "integer"));
    r.fails.push({ facts: (f) => setKind(f, "fraction") });
    return true;
  }
  return list.includes(r.type);
}

function readKeyword(r: Reader, keyword: string, value: Json): void {
  switch (keyword) {
    case "$ref":
      r.expect(keyword, typeof value === "string", "a reference");
      all(r, [r.document.target(r.schema, value as string)]);
      return;
    case "allOf":
      all(r, r.list(keyword, value));
      return;
    case "anyOf":
      any(r, r.list(keyword, value));
      return;
    case "oneOf":
      one(r, r.list(keyword, value));
      return;
    case "not":
      r.demands.push(demand(r.child("not"), true));
      r.fails.push({ demands: [demand(r.child("not"))] });
      return;
    case "if":
      ifThenElse(r);
      return;
    case "const":
      values(r, keyword, [value]);
      return;
    case "enum":
      r.expect(keyword, Array.isArray(value), "a list");
      values(r, keyword, value as Json[]);
      return;
    case "format":
      formatKeyword(r, value);
      return;
  }
  if (r.type === "number") numberKeyword(r, keyword, value);
  else if (r.type === "string") stringKeyword(r, keyword, value);
  else if (r.type === "array") arrayKeyword(r, keyword, value);
  else if (r.type === "object") objectKeyword(r, keyword, value);
}

function all(r: Reader, schemas: readonly Schema[]): void {
  r.demands.push(...schemas.map((schema) => demand(schema)));
  for (const schema of schemas) r.fails.push({ demands: [demand(schema, true)] });
}
function any(r: Reader, schemas: readonly Schema[]): void {
  r.groups.push(schemas.map((schema) => ({ demands: [demand(schema)] })));
  r.fails.push({ demands: schemas.map((schema) => demand(schema, true)) });
}
/** One holds and no other does. */
function one(r: Reader, schemas: readonly Schema[]): void {
  r.groups.push(
    schemas.map((schema) => ({
      demands: schemas.map((other) => demand(other, other !== schema)),
    })),
  );
  r.fails.push({ demands: schemas.map((schema) => demand(schema, true)) });
  for (const [i, a] of schemas.entries())
    for (const b of schemas.slice(i + 1)) r.fails.push({ demands: [demand(a), demand(b)] });
}

function ifThenElse(r: Reader): void {
  const condition = r.child("if");
  const part = (keyword: string, negated: boolean): Demand[] =>
    r.value[keyword] === undefined ? [] : [demand(r.child(keyword), negated)];
  if (r.value.then === undefined && r.value.else === undefined) return;
  r.groups.push([
    { demands: [demand(condition), ...part("then", false)] },
    { demands: [demand(condition, true), ...part("else", false)] },
  ]);
  if (r.value.then !== undefined) r.fails.push({ demands: [demand(condition), ...part("then", true)] });
  if (r.value.else !== undefined) r.fails.push({ demands: [demand(condition, true), ...part("else", true)] });
}

function values(r: Reader, keyword: string, all: readonly Json[]): void {
  const values = all.filter((value) => typeOf(value) === r.type);
  r.fact((facts) => {
    facts.pointer = r.schema.pointer;
    const before = facts.values;
    facts.values = before ? before.filter((one) => values.some((other) => same(one, other))) : values;
    return facts.values.length > 0;
  });
  if (values.length === 0) {
    r.fails.push({});
    return;
  }
  switch (r.type) {
    case "null":
    case "boolean":
      r.fails.push({
        facts: ({ without }) => {
          for (const value of values) without.add(value);
        },
      });
      return;
    case "number":
      r.fails.push({
        groups: (values as number[]).map((value) => [
          { facts: (f) => f.atMost({ value, exclusive: true }) },
          { facts: (f) => f.atLeast({ value, exclusive: true }) },
        ]),
      });
      return;
    case "string": {
      const texts = ofTexts(values as string[], r.budget);
      r.fails.push({ facts: (f) => void f.languages.push({ dfa: texts, negated: true }) });
      return;
    }
    default:
      r.cannotFail(keyword);
  }
}

export function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same((a as JsonObject)[key] as Json, (b as JsonObject)[key] as Json))
  );
}
