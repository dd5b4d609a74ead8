import { SchemaError } from "../errors.js";
import type { Budget } from "./budget.js";
import type { Document, Json, JsonObject, Schema } from "./document.js";
import { ofTexts } from "./dfa.js";
import { type Demand, demand, type Facts, type PropertyRules, type Type } from "./forms.js";
import { numberFormats, silentFormats, stringFormats } from "./formats.js";
import { type CompiledPattern, compilePattern, PatternError } from "./pattern.js";

/** One way to meet a demand: further demands, and facts; facts that contradict give false. */
export interface Choice {
  demands?: Demand[];
  facts?: (facts: Facts) => boolean | void;
  /** Further choices, one of each group. */
  groups?: Choice[][];
}

/** What a keyword asks of values of a type. */
export interface Rules {
  document: Document;
  budget: Budget;
  patterns: Map<string, CompiledPattern>;
}

/** What a schema means for one type: its own keywords as one choice (all hold), and how each of them may fail (any does). */
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

/** The meaning of a schema for values of a type. Throws SchemaError. */
export function meaningOf(rules: Rules, schema: Schema, type: Type): Meaning {
  if (typeof schema.value === "boolean")
    return { holds: { facts: () => schema.value as boolean }, fails: schema.value ? [] : [{}], inexpressible: undefined };
  return new Reader(rules, schema, schema.value, type).read();
}

class Reader {
  readonly #rules: Rules;
  readonly #schema: Schema;
  readonly #value: JsonObject;
  readonly #type: Type;
  readonly #facts: ((facts: Facts) => boolean | void)[] = [];
  readonly #demands: Demand[] = [];
  readonly #groups: Choice[][] = [];
  readonly #fails: Choice[] = [];
  #inexpressible: string | undefined;

  constructor(rules: Rules, schema: Schema, value: JsonObject, type: Type) {
    this.#rules = rules;
    this.#schema = schema;
    this.#value = value;
    this.#type = type;
  }

  read(): Meaning {
    const { type, ...rest } = this.#value;
    // Values of other types fail by this alone.
    if (type !== undefined && !this.#readType(type)) return { holds: { facts: () => false }, fails: [{}], inexpressible: undefined };
    for (const keyword of Object.keys(rest)) this.#keyword(keyword, rest[keyword] as Json);
    const { budget } = this.#rules;
    budget.branch();
    return {
      holds: {
        demands: this.#demands,
        groups: this.#groups,
        facts: (facts) => this.#facts.every((fact) => fact(facts) !== false),
      },
      fails: this.#fails,
      inexpressible: this.#inexpressible,
    };
  }

  #refuse(keyword: string, reason: string): never {
    throw new SchemaError(`${this.#schema.pointer}/${keyword}`, reason);
  }
  #expect(keyword: string, good: boolean, what: string): void {
    if (!good) this.#refuse(keyword, `${what} is expected here`);
  }
  #count(keyword: string, value: Json): number {
    this.#expect(keyword, typeof value === "number" && Number.isInteger(value) && value >= 0, "a count");
    return value as number;
  }
  #fact(fact: (facts: Facts) => boolean | void): void {
    this.#facts.push(fact);
  }
  #cannotFail(keyword: string): void {
    this.#inexpressible ??= `${this.#schema.pointer}/${keyword}`;
  }
  #child(...path: string[]): Schema {
    return this.#rules.document.child(this.#schema, ...path);
  }

  /** Whether the type is among those of the keyword. */
  #readType(type: Json): boolean {
    const list = (Array.isArray(type) ? type : [type]) as string[];
    const names = ["null", "boolean", "number", "integer", "string", "array", "object"];
    for (const name of list) this.#expect("type", names.includes(name), `one of ${names.join(", ")}`);
    if (this.#type === "number" && !list.includes("number") && list.includes("integer")) {
      this.#fact((f) => setKind(f, "integer"));
      this.#fails.push({ facts: (f) => setKind(f, "fraction") });
      return true;
    }
    return list.includes(this.#type);
  }

  #keyword(keyword: string, value: Json): void {
    switch (keyword) {
      case "$ref":
        this.#expect(keyword, typeof value === "string", "a reference");
        return this.#all([this.#rules.document.target(this.#schema, value as string)]);
      case "allOf":
        return this.#all(this.#list(keyword, value));
      case "anyOf":
        return this.#any(this.#list(keyword, value));
      case "oneOf":
        return this.#one(this.#list(keyword, value));
      case "not":
        this.#demands.push(demand(this.#child("not"), true));
        this.#fails.push({ demands: [demand(this.#child("not"))] });
        return;
      case "if":
        return this.#if();
      case "const":
        return this.#values(keyword, [value]);
      case "enum":
        this.#expect(keyword, Array.isArray(value), "a list");
        return this.#values(keyword, value as Json[]);
      case "format":
        return this.#format(value);
    }
    if (this.#type === "number") this.#number(keyword, value);
    else if (this.#type === "string") this.#string(keyword, value);
    else if (this.#type === "array") this.#array(keyword, value);
    else if (this.#type === "object") this.#object(keyword, value);
  }

  #list(keyword: string, value: Json): Schema[] {
    this.#expect(keyword, Array.isArray(value) && value.length > 0, "a list of schemas");
    return (value as Json[]).map((_, i) => this.#child(keyword, String(i)));
  }

  #all(schemas: readonly Schema[]): void {
    this.#demands.push(...schemas.map((schema) => demand(schema)));
    for (const schema of schemas) this.#fails.push({ demands: [demand(schema, true)] });
  }
  #any(schemas: readonly Schema[]): void {
    this.#groups.push(schemas.map((schema) => ({ demands: [demand(schema)] })));
    this.#fails.push({ demands: schemas.map((schema) => demand(schema, true)) });
  }
  /** One holds and no other does. */
  #one(schemas: readonly Schema[]): void {
    this.#groups.push(
      schemas.map((schema) => ({
        demands: schemas.map((other) => demand(other, other !== schema)),
      })),
    );
    this.#fails.push({ demands: schemas.map((schema) => demand(schema, true)) });
    for (const [i, a] of schemas.entries())
      for (const b of schemas.slice(i + 1)) this.#fails.push({ demands: [demand(a), demand(b)] });
  }

  #if(): void {
    const condition = this.#child("if");
    const part = (keyword: string, negated: boolean): Demand[] =>
      this.#value[keyword] === undefined ? [] : [demand(this.#child(keyword), negated)];
    if (this.#value.then === undefined && this.#value.else === undefined) return;
    this.#groups.push([
      { demands: [demand(condition), ...part("then", false)] },
      { demands: [demand(condition, true), ...part("else", false)] },
    ]);
    if (this.#value.then !== undefined) this.#fails.push({ demands: [demand(condition), ...part("then", true)] });
    if (this.#value.else !== undefined) this.#fails.push({ demands: [demand(condition, true), ...part("else", true)] });
  }

  #values(keyword: string, all: readonly Json[]): void {
    const values = all.filter((value) => typeOf(value) === this.#type);
    this.#fact((facts) => {
      facts.pointer = this.#schema.pointer;
      const before = facts.values;
      facts.values = before ? before.filter((one) => values.some((other) => same(one, other))) : values;
      return facts.values.length > 0;
    });
    if (values.length === 0) {
      this.#fails.push({});
      return;
    }
    switch (this.#type) {
      case "null":
      case "boolean":
        this.#fails.push({ facts: (facts) => void values.forEach((value) => facts.without.add(value)) });
        return;
      case "number":
        this.#fails.push({
          groups: (values as number[]).map((value) => [
            { facts: (f) => f.atMost({ value, exclusive: true }) },
            { facts: (f) => f.atLeast({ value, exclusive: true }) },
          ]),
        });
        return;
      case "string": {
        const texts = ofTexts(values as string[], this.#rules.budget);
        this.#fails.push({ facts: (f) => void f.languages.push({ dfa: texts, negated: true }) });
        return;
      }
      default:
        this.#cannotFail(keyword);
    }
  }

  #format(value: Json): void {
    this.#expect("format", typeof value === "string", "a name");
    const name = value as string;
    const source = Object.hasOwn(stringFormats, name) ? stringFormats[name] : undefined;
    const limits = Object.hasOwn(numberFormats, name) ? numberFormats[name] : undefined;
    if (source === undefined && limits === undefined && !silentFormats.has(name)) {
      if (!this.#rules.document.lax) this.#refuse("format", `the format ${JSON.stringify(name)} is unknown`);
      return;
    }
    if (this.#type === "string" && source !== undefined) {
      const { dfa } = this.#pattern("format", source, false);
      this.#fact((f) => {
        f.languages.push({ dfa, negated: false });
        f.narrowed = true;
      });
      this.#cannotFail("format"); // readers differ in what is none
    }
    if (this.#type === "number" && limits) {
      this.#fact((f) => {
        f.atLeast({ value: limits[0], exclusive: false });
        f.atMost({ value: limits[1], exclusive: false });
        f.narrowed = true;
        // Readers that look at these formats take no fractions.
        if (f.kind === "any") f.kind = "integer";
        return f.kind === "integer";
      });
      this.#cannotFail("format");
    }
  }

  #pattern(keyword: string, source: string, search: boolean): CompiledPattern {
    const key = `${search} ${source}`;
    let known = this.#rules.patterns.get(key);
    if (!known) {
      try {
        known = compilePattern(source, search, this.#rules.budget);
      } catch (error) {
        if (error instanceof PatternError) this.#refuse(keyword, `the pattern ${source} can't be followed: ${error.message}`);
        throw error;
      }
      this.#rules.patterns.set(key, known);
    }
    return known;
  }

  #number(keyword: string, value: Json): void {
    const number = (): number => {
      this.#expect(keyword, typeof value === "number" && Number.isFinite(value), "a number");
      return value as number;
    };
    switch (keyword) {
      case "minimum":
      case "exclusiveMinimum": {
        if (keyword === "exclusiveMinimum" && typeof value === "boolean") return; // draft 4: a part of minimum
        const exclusive = keyword === "exclusiveMinimum" || this.#value.exclusiveMinimum === true;
        const bound = { value: number(), exclusive };
        this.#fact((f) => f.atLeast(bound));
        this.#fails.push({ facts: (f) => f.atMost({ value: bound.value, exclusive: !exclusive }) });
        return;
      }
      case "maximum":
      case "exclusiveMaximum": {
        if (keyword === "exclusiveMaximum" && typeof value === "boolean") return;
        const exclusive = keyword === "exclusiveMaximum" || this.#value.exclusiveMaximum === true;
        const bound = { value: number(), exclusive };
        this.#fact((f) => f.atMost(bound));
        this.#fails.push({ facts: (f) => f.atLeast({ value: bound.value, exclusive: !exclusive }) });
        return;
      }
      case "multipleOf": {
        const of = number();
        this.#expect(keyword, of > 0, "a number above 0");
        this.#fact((f) => void (f.multiples.push(of), (f.pointer = this.#schema.pointer)));
        // Only integers are written in one way, so that those that are no multiple can be.
        this.#fails.push({ facts: (f) => setKind(f, "integer") && f.notMultiples.push(of) > 0 });
        return;
      }
    }
  }

  #string(keyword: string, value: Json): void {
    switch (keyword) {
      case "minLength":
      case "maxLength":
        return this.#limit(keyword, value);
      case "pattern": {
        this.#expect(keyword, typeof value === "string", "a pattern");
        const { dfa, exact } = this.#pattern(keyword, value as string, true);
        this.#fact((f) => {
          f.languages.push({ dfa, negated: false });
          f.narrowed ||= !exact;
        });
        if (exact) this.#fails.push({ facts: (f) => void f.languages.push({ dfa, negated: true }) });
        else this.#cannotFail(keyword);
      }
    }
  }

  /** Limits of characters, items or properties. */
  #limit(keyword: string, value: Json): void {
    const n = this.#count(keyword, value);
    if (keyword.startsWith("min")) {
      this.#fact((f) => f.count(n, Number.POSITIVE_INFINITY));
      if (n > 0) this.#fails.push({ facts: (f) => f.count(0, n - 1) });
    } else {
      this.#fact((f) => f.count(0, n));
      this.#fails.push({ facts: (f) => f.count(n + 1, Number.POSITIVE_INFINITY) });
    }
  }

  #array(keyword: string, value: Json): void {
    switch (keyword) {
      case "minItems":
      case "maxItems":
        return this.#limit(keyword, value);
      case "prefixItems":
        return this.#prefix(this.#list(keyword, value));
      case "items": {
        if (Array.isArray(value)) return this.#prefix(value.map((_, i) => this.#child("items", String(i))));
        const from = Array.isArray(this.#value.prefixItems) ? this.#value.prefixItems.length : 0;
        return this.#items(keyword, from);
      }
      case "additionalItems":
        if (Array.isArray(this.#value.items)) this.#items(keyword, this.#value.items.length);
        return;
      case "unevaluatedItems":
        this.#checkPlain(keyword);
        if (this.#value.items === undefined || Array.isArray(this.#value.items))
          this.#items(keyword, ((this.#value.prefixItems ?? this.#value.items) as Json[] | undefined)?.length ?? 0);
        return;
      case "uniqueItems":
        this.#expect(keyword, typeof value === "boolean", "true or false");
        if (value !== true) return;
        // Two equal items can't be told from different ones without remembering all.
        if (typeof this.#value.maxItems !== "number" || this.#value.maxItems > 1)
          this.#refuse(keyword, "unique items are not supported");
        return;
      case "contains":
        if (this.#value.minContains === 0 && this.#value.maxContains === undefined) return;
        this.#refuse(keyword, "it is not supported");
    }
  }

  #prefix(schemas: readonly Schema[]): void {
    this.#fact((f) => {
      for (const [i, schema] of schemas.entries()) f.item(i, demand(schema));
    });
    for (const [i, schema] of schemas.entries())
      this.#fails.push({
        facts: (f) => {
          f.count(i + 1, Number.POSITIVE_INFINITY);
          f.item(i, demand(schema, true));
        },
      });
  }

  /** The items from an index on. That one of them fails is only said of the first. */
  #items(keyword: string, from: number): void {
    const schema = this.#child(keyword);
    this.#fact((f) => f.itemsFrom(from, demand(schema)));
    if (schema.value === true) return;
    this.#fails.push({
      facts: (f) => {
        f.count(from + 1, Number.POSITIVE_INFINITY);
        f.item(from, demand(schema, true));
        f.narrowed = true;
      },
    });
  }

  /** The keywords that look at what others have looked at are followed only where there are no others. */
  #checkPlain(keyword: string): void {
    for (const other of ["$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "contains"])
      if (this.#value[other] !== undefined) this.#refuse(keyword, `it is not supported beside ${other}`);
  }

  #object(keyword: string, value: Json): void {
    switch (keyword) {
      case "minProperties":
      case "maxProperties":
        return this.#limit(keyword, value);
      case "required": {
        const keys = this.#keys(keyword, value);
        this.#fact((f) => keys.every((key) => requireKey(f, key)));
        for (const key of keys) this.#fails.push({ facts: (f) => forbidKey(f, key) });
        return;
      }
      case "dependentRequired":
      case "dependentSchemas":
      case "dependencies":
        return this.#dependencies(keyword, value as JsonObject);
      case "propertyNames":
        this.#fact((f) => void f.keys.push(demand(this.#child(keyword))));
        this.#cannotFail(keyword);
        return;
      case "properties":
        return this.#properties();
      case "patternProperties":
        if (this.#value.properties === undefined) this.#properties();
        return;
      case "additionalProperties":
        if (this.#value.properties === undefined && this.#value.patternProperties === undefined) this.#properties();
        return;
      case "unevaluatedProperties":
        this.#checkPlain(keyword);
        if (["properties", "patternProperties", "additionalProperties"].every((k) => this.#value[k] === undefined))
          this.#properties();
    }
  }

  #keys(keyword: string, value: Json): string[] {
    const good = Array.isArray(value) && value.every((key) => typeof key === "string");
    this.#expect(keyword, good, "a list of names");
    return value as string[];
  }

  #dependencies(keyword: string, value: JsonObject): void {
    this.#expect(keyword, typeof value === "object" && value !== null, "an object");
    for (const [key, then] of Object.entries(value)) {
      const absent: Choice = { facts: (f) => forbidKey(f, key) };
      if (Array.isArray(then)) {
        const keys = this.#keys(`${keyword}/${key}`, then);
        if (keys.length === 0) continue;
        this.#groups.push([absent, { facts: (f) => [key, ...keys].every((k) => requireKey(f, k)) }]);
        for (const k of keys) this.#fails.push({ facts: (f) => requireKey(f, key) && forbidKey(f, k) });
      } else {
        const schema = this.#child(keyword, key);
        this.#groups.push([absent, { facts: (f) => requireKey(f, key), demands: [demand(schema)] }]);
        this.#fails.push({ facts: (f) => requireKey(f, key), demands: [demand(schema, true)] });
      }
    }
  }

  #properties(): void {
    const { properties = {}, patternProperties = {} } = this.#value as { [key: string]: JsonObject };
    const props = new Map(
      Object.keys(properties).map((key) => [key, demand(this.#child("properties", key))] as [string, Demand]),
    );
    const patterns = Object.keys(patternProperties).map((source) => ({
      source,
      ...this.#pattern("patternProperties", source, true),
      demand: demand(this.#child("patternProperties", source)),
    }));
    const keyword = ["additionalProperties", "unevaluatedProperties"].find((k) => this.#value[k] !== undefined);
    const others = keyword === undefined ? undefined : demand(this.#child(keyword));
    const rules: PropertyRules = { props, patterns, others };
    for (const { exact } of patterns)
      if (!exact) this.#refuse("patternProperties", "a pattern is none of Unicode mode");
    this.#fact((f) => void f.rules.push(rules));
    for (const [key, d] of props)
      if (this.#rules.document.at(d >> 1).value !== true)
        this.#fails.push({
          facts: (f) => {
            f.rules.push({ props: new Map([[key, d ^ 1]]), patterns: [], others: undefined });
            return requireKey(f, key);
          },
        });
    if (patterns.length > 0) this.#cannotFail("patternProperties");
    if (keyword !== undefined && this.#child(keyword).value !== true) this.#cannotFail(keyword);
  }
}

function setKind(facts: Facts, kind: "integer" | "fraction"): boolean {
  if (facts.kind !== "any" && facts.kind !== kind) return false;
  facts.kind = kind;
  return true;
}
function requireKey(facts: Facts, key: string): boolean {
  facts.require(key);
  return !facts.absent.has(key);
}
function forbidKey(facts: Facts, key: string): boolean {
  facts.absent.add(key);
  return !facts.required.includes(key);
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
