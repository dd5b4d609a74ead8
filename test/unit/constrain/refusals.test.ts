import { expect, test } from "vitest";
import { compileFormat } from "../../../src/constrain/compile.js";
import { SchemaError, UsageError } from "../../../src/errors.js";
import { acceptsValue, constraintOf } from "../../support/grammar.js";

/** The pointer and the reason with which a schema is refused. */
function refusal(schema: unknown, limits = {}): [string, string] | undefined {
  try {
    compileFormat({ schema }, limits);
  } catch (error) {
    if (error instanceof SchemaError) return [error.pointer, error.reason];
    throw error;
  }
  return undefined;
}

test("what can't be followed is refused, with its place", () => {
  const cases: [unknown, string, RegExp][] = [
    [{ type: "object", properties: { a: { typo: 1 } } }, "/properties/a/typo", /"typo" is no keyword/],
    [{ properties: { "a/b": { minimun: 1 } } }, "/properties/a~1b/minimun", /no keyword/],
    [{ type: "strin" }, "/type", /one of null, boolean/],
    [{ minLength: -1 }, "/minLength", /a count/],
    [{ required: true }, "/required", /a list of names/],
    [{ properties: { a: 3 } }, "/properties/a", /a schema is an object/],
    [{ allOf: [] }, "/allOf", /a list of schemas/],
    [{ multipleOf: 0 }, "/multipleOf", /above 0/],
    [{ $ref: "#/nope" }, "/$ref", /nothing at/],
    [{ $ref: "#nope" }, "/$ref", /no anchor/],
    [{ $ref: "http://[" }, "/$ref", /is no reference/],
    [{ $ref: "https://example.org/other.json" }, "/$ref", /outside of the schema/],
    [{ $ref: "#" }, "", /refers to itself/],
    [{ $defs: { a: { anyOf: [{ $ref: "#/$defs/a" }, true] } }, $ref: "#/$defs/a" }, "/$defs/a", /refers to itself/],
    [{ $dynamicRef: "#x" }, "/$dynamicRef", /not supported/],
    [{ type: "string", format: "zip" }, "/format", /"zip" is unknown/],
    [{ items: { uniqueItems: true } }, "/items/uniqueItems", /only where their values are few and listed/],
    [{ type: "array", items: { type: "string" }, uniqueItems: true }, "/uniqueItems", /few and listed/],
    [{ type: "array", items: { type: "integer", maximum: 1e3, minimum: 0 }, uniqueItems: true }, "/uniqueItems", /few/],
    [{ type: "array", items: { enum: [[1], [2]] }, uniqueItems: true }, "/uniqueItems", /few and listed/],
    [
      { type: "array", prefixItems: [{ const: 0 }], items: { enum: [..."abcdefghi"] }, uniqueItems: true },
      "/uniqueItems",
      /all have the same schema/,
    ],
    [{ type: "array", items: { enum: [1, 2] }, uniqueItems: true, minItems: 3 }, "", /no value is valid/],
    [{ type: "array", uniqueItems: 1 }, "/uniqueItems", /true or false/],
    [{ type: "array", contains: true, minContains: 1e4 }, "/minContains", /more than 100 /],
    [{ type: "array", contains: true, maxContains: 1e9 }, "/maxContains", /more than 100 /],
    [{ type: "array", contains: true, minContains: -1 }, "/minContains", /a count/],
    [{ type: "array", contains: true, minContains: 2, maxContains: 1 }, "", /no value is valid/],
    [{ type: "array", items: { type: "string" }, contains: { type: "null" } }, "", /no value is valid/],
    [{ type: "string", pattern: "(" }, "/pattern", /Unterminated group/],
    [{ type: "string", pattern: "(?<=ab)c" }, "/pattern", /looks behind/],
    [{ type: "object", required: ["a"], properties: { a: false } }, "", /no value is valid/],
    [{ type: "integer", minimum: 3, maximum: 2 }, "", /no value is valid/],
    [{ type: "array", minItems: 1, items: { $ref: "#" } }, "", /no value is valid/],
    [{ not: {} }, "", /no value is valid/],
    [{ type: "string", not: { format: "date" } }, "", /can't be followed here/],
    [{ type: "object", minProperties: 3 }, "", /can't be told apart/],
    [{ properties: 3 }, "/properties", /an object is expected here/],
    [{ anyOf: 3 }, "/anyOf", /a list of schemas is expected/],
    [{ $ref: "#/%zz" }, "/$ref", /nothing at "#\/%zz"/],
    [{ $ref: "#/a/b", a: 3 }, "/a", /no keyword/],
    [{ type: "number", exclusiveMinimum: 1e300 }, "", /too large for an exclusive limit/],
    [{ type: "number", minimum: 1e39 }, "", /its limits are too large/],
    [{ type: "number", multipleOf: 123456.7 }, "", /too many digits to count in/],
    [{ type: "string", pattern: "(a*)\\1" }, "/pattern", /./],
    [{ type: "string", not: { pattern: "\\-" } }, "", /can't be followed here/],
    [{ type: "object", patternProperties: { "\\-": {} } }, "/patternProperties", /none of Unicode mode/],
    [{ type: "integer", not: { type: "integer" } }, "", /no value is valid/],
    [{ type: "string", minLength: 3, maxLength: 2 }, "", /no value is valid/],
    [[], "", /a schema is an object/],
    [3, "", /a schema is an object/],
  ];
  for (const [schema, pointer, reason] of cases) {
    const found = refusal(schema);
    expect(found, JSON.stringify(schema)).toEqual([pointer, expect.stringMatching(reason)]);
  }
});

test("private keywords and notes are passed over, unknown ones only where that was asked for", () => {
  expect(refusal({ type: "null", "x-order": 1, _note: 2, title: "t", default: null, examples: [1] })).toBeUndefined();
  expect(refusal({ links: [], markdownDescription: "t", discriminator: { propertyName: "k" } })).toBeUndefined();
  expect(() => compileFormat({ schema: { typo: 1, format: "zip" }, lax: true })).not.toThrow();
});

test("a schema is not changed, and what JSON can't hold does not count", () => {
  const schema = Object.freeze({ type: "object", properties: Object.freeze({ a: true }), note: undefined });
  expect(() => compileFormat({ schema })).not.toThrow();
  expect(() => compileFormat({ schema: undefined })).toThrow(SchemaError);
});

test("schemas of any size and depth end with an answer or a sentence", { timeout: 60_000 }, () => {
  const deep = (n: number): unknown => {
    let schema: unknown = true;
    for (let i = 0; i < n; i++) schema = { items: schema };
    return schema;
  };
  expect(refusal(deep(100))).toBeUndefined();
  expect(refusal(deep(1000))?.[1]).toMatch(/deeper than/);
  const chain = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }]));
  expect(refusal({ $ref: "#/$defs/d0", $defs: { ...chain, d20000: true } })?.[1] ?? "").toMatch(/^$|deeply/);
  const limits = { milliseconds: 500, states: 50_000, branches: 5_000 };
  const many = Array.from({ length: 24 }, (_, i) => ({ anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }] }));
  expect(refusal({ type: "object", allOf: many }, limits)?.[1]).toMatch(/too/);
  expect(refusal({ type: "string", pattern: "(x+x+)+y.{1000}(a|b).{20}$" }, limits)?.[1]).toMatch(/too/);
  // Many prefixItems: the sets of places are counted, not tried.
  const prefixItems = Array(45_000).fill({});
  expect(refusal({ type: "array", prefixItems, contains: true, minContains: 100 }, limits)?.[1]).toMatch(
    /kinds of values/,
  );
  expect(refusal({ type: "string", pattern: "(a|b)*a(a|b){30}$" }, limits)?.[1]).toMatch(/too/);
  expect(refusal({ type: "integer", multipleOf: 19_999 }, { ...limits, states: 10_000 })?.[1]).toMatch(/too many/);
  const patterns = Array.from({ length: 40 }, (_, i) => [`^${i}`, {}]);
  expect(refusal({ type: "object", patternProperties: Object.fromEntries(patterns) })?.[1]).toMatch(/patterns meet/);
  expect(refusal({ type: "string", pattern: "a{1,99999999}" }, limits)?.[1]).toMatch(/too/);
  expect(refusal({ type: "string", maxLength: 2 ** 40 })).toBeUndefined();
  expect(refusal({ type: "array", maxItems: 2 ** 40, minItems: 2 ** 20 })).toBeUndefined();
});

test("the last format is compiled once; another, and the same after a change, anew", () => {
  const format = { schema: { type: "object", properties: { a: { maximum: 3 } } } };
  const tables = compileFormat(format);
  expect(compileFormat(structuredClone(format))).toBe(tables);
  format.schema.properties.a.maximum = 4;
  expect(compileFormat(format)).not.toBe(tables);
  expect(compileFormat({ choices: ["a"] })).not.toBe(compileFormat({ regex: "a" }));
  let deep: unknown = true;
  for (let i = 0; i < 20_000; i++) deep = { items: deep };
  expect(refusal(deep)?.[1]).toMatch(/deep/);
});

test("a reference may point into what is no schema, and an address may be ill-formed", () => {
  const inside = { $ref: "#/x-parts/0/a~1b", "x-parts": [{ "a/b": { type: "null" } }] };
  expect(acceptsValue(constraintOf({ schema: inside }), null)).toBe(true);
  expect(acceptsValue(constraintOf({ schema: inside }), 1)).toBe(false);
  expect(refusal({ $ref: "#/x-parts/1", "x-parts": [true] })?.[1]).toMatch(/nothing at/);
  expect(refusal({ $id: "http://[", type: "null" })).toBeUndefined();
});

test("choices and patterns are checked", () => {
  for (const choices of [[], [""], ["\ud800"]]) expect(() => compileFormat({ choices })).toThrow(UsageError);
  for (const regex of ["(", "a(?<=bc)", "[^\\s\\S]"]) expect(() => compileFormat({ regex })).toThrow(UsageError);
});
