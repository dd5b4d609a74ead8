import { describe, expect, test } from "vitest";
import { accepts, constraintOf } from "../../support/grammar.js";

/** A schema, values that are answers, and values that are none. */
type Row = [schema: unknown, yes: unknown[], no: unknown[]];
const number = { type: "number" };
const rows: Record<string, Row[]> = {
  type: [
    [{ type: ["null", "boolean"] }, [null, true, false], [0, "null", [], {}]],
    [{ type: "integer" }, [0, -7, 12345678901], [1.5, "1"]],
    [number, [0, -0.5, 1.25, 1e21, 1e-7], [null]],
    [{}, [null, true, 1.5, "x", [[]], { a: { b: [] } }], []],
  ],
  "enum and const": [
    [{ enum: [1, "a", null, true, { x: [1] }] }, [1, "a", null, true, { x: [1] }], [2, "b", false, { x: [2] }, {}]],
    [{ const: 'say "é"\n' }, ['say "é"\n'], ["say", ""]],
    [{ enum: ["a", "ab", 5], type: "string" }, ["a", "ab"], [5, "b"]],
    [{ enum: ["a", "abc"], minLength: 2 }, ["abc"], ["a"]],
  ],
  "numbers within limits": [
    [{ type: "integer", minimum: -5, maximum: 120 }, [-5, 0, 7, 99, 100, 120], [-6, 121, 1.5, 200]],
    [{ type: "integer", exclusiveMinimum: 9, exclusiveMaximum: 101 }, [10, 100], [9, 101]],
    [{ ...number, minimum: 0, maximum: 1 }, [0, 1, 0.5, 0.999], [-0.1, 1.01, 2]],
    [{ ...number, exclusiveMinimum: -1.5, maximum: 12.25 }, [-1.4, 0, 12.25, 12.2, 9], [-1.5, -2, 12.26, 13]],
    [{ ...number, minimum: 5, exclusiveMinimum: true }, [5.1, 6], [5, 4]],
    [{ ...number, maximum: -3 }, [-3, -3.5, -100], [-2.9, 0, 3]],
    [{ type: "integer", format: "int32" }, [2147483647, -2147483648], [2147483648]],
    [{ ...number, format: "int32" }, [5], [5.5, 2147483648]],
    [{ ...number, maximum: 5, exclusiveMaximum: true }, [4.9, -6], [5, 6]],
    [{ ...number, minimum: 3, exclusiveMinimum: 3 }, [3.5, 4], [3, 2]],
    [{ ...number, maximum: 3, exclusiveMaximum: 3 }, [2.5, -4], [3, 4]],
    [{ ...number, minimum: 0.95, maximum: 1.05 }, [0.95, 0.99, 1, 1.05], [0.94, 0.909, 1.06, 1.1]],
    [{ type: "integer", minimum: 190, maximum: 902 }, [190, 199, 200, 899, 902], [189, 903, 90]],
    [{ enum: [1, 2, 3.5], type: "integer", minimum: 2 }, [2], [1, 3.5]],
    [{ enum: [1, 2, 3], exclusiveMinimum: 1, exclusiveMaximum: 3 }, [2], [1, 3]],
    [{ enum: [1, 2, 3], maximum: 2 }, [1, 2], [3]],
  ],
  multipleOf: [
    [{ ...number, multipleOf: 0.25 }, [0.25, 1, 7.5, 100, -0.75], [0.3, 0.1]],
    [{ type: "integer", multipleOf: 7, minimum: 10 }, [14, 700], [7, 13]],
    [{ ...number, multipleOf: 0.01 }, [19.99, 0.1, 3], [0.001]],
    [{ enum: [1, 2, 4, 6.5, -8], multipleOf: 2 }, [2, 4, -8], [1, 6.5]],
    [{ enum: [1, 3, 6], type: "integer", not: { multipleOf: 3 } }, [1], [3, 6]],
  ],
  "lengths of strings": [
    [{ type: "string", minLength: 2, maxLength: 3 }, ["ab", "é😀x", '"\\'], ["a", "abcd", 1]],
    [{ type: "string", maxLength: 0 }, [""], ["a"]],
  ],
  pattern: [
    [{ type: "string", pattern: "^a.*b$" }, ["ab", "axxb"], ["b", "abc", "a\nb"]],
    [{ type: "string", pattern: "foo" }, ["foo", "xfooy"], ["fo"]],
    [{ type: "string", pattern: "^(?!foo).*$", maxLength: 10 }, ["bar", ""], ["foobar", "foo"]],
    [{ type: "string", pattern: "^(?=.*\\d)[a-z\\d]{3}$" }, ["a1b", "123"], ["abc", "1a"]],
    [{ type: "string", pattern: "\\bfoo\\b" }, ["a foo b", "foo"], ["afoo"]],
    [{ type: "string", pattern: "^\\p{Lu}\\p{Ll}+$" }, ["Élan", "Ab"], ["ab", "A"]],
    [{ type: "string", pattern: "^[a-z]{2,4}$", maxLength: 3 }, ["ab", "abc"], ["a", "abcd"]],
    [{ type: "string", pattern: "^(a|b)$|c" }, ["a", "xcx"], ["ab", "x"]],
  ],
  format: [
    [{ type: "string", format: "date" }, ["2024-02-29", "2023-12-31"], ["2023-02-29", "2023-13-01", "x"]],
    [{ type: "string", format: "date-time" }, ["2024-02-29T10:00:00Z"], ["2024-02-29", "2024-02-29T25:00:00Z"]],
    [{ type: "string", format: "ipv6" }, ["::1", "1:2:3:4:5:6:7:8", "fe80::1", "1::"], ["1:2", ":::"]],
    [{ type: "string", format: "uuid" }, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]],
    [{ type: "integer", format: "date" }, [3], ["2024-02-29"]],
  ],
  arrays: [
    [
      { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 },
      [[1], [1, 2, 3]],
      [[], [1, 2, 3, 4], ["a"]],
    ],
    [
      { type: "array", prefixItems: [{ type: "string" }, number], items: false },
      [[], ["a"], ["a", 1]],
      [["a", 1, 2], [1]],
    ],
    [{ type: "array", items: [number], additionalItems: { type: "string" } }, [[1], [1, "a", "b"]], [["a"], [1, 2]]],
    [{ type: "array", items: { $ref: "#" } }, [[], [[]], [[[], []]]], [1, [1]]],
    [{ type: "array", maxItems: 1, uniqueItems: true }, [[], [1]], [[1, 1]]],
  ],
  uniqueItems: [
    [
      { type: "array", items: { enum: ["a", "ab", 1, 12, null, true] }, uniqueItems: true },
      [[], ["ab", "a"], [12, 1, "a"], [null, 1, "ab", 12, true, "a"]],
      [["a", "a"], [1, 12, 1], [null, "a", null], ["b"], [11]],
    ],
    [
      { type: "array", items: { enum: ["é", '"', "z"] }, uniqueItems: true, minItems: 2, maxItems: 2 },
      [
        ["é", '"'],
        ["z", "é"],
      ],
      [[], ["z"], ["z", "z"], ["é", '"', "z"]],
    ],
    [
      { type: "array", items: { type: "integer", minimum: 1, maximum: 4 }, uniqueItems: true, minItems: 4 },
      [[4, 2, 1, 3]],
      [
        [1, 2, 3],
        [1, 2, 3, 3],
      ],
    ],
    [{ type: "array", items: { type: ["boolean", "null"] }, uniqueItems: true }, [[true, null, false]], [[true, true]]],
    // Many values come in their order.
    [
      { type: "array", items: { enum: Array.from("abcdefghijkl") }, uniqueItems: true, minItems: 1, maxItems: 11 },
      [["a"], ["l"], ["a", "c", "l"], Array.from("abcdefghijk")],
      [[], ["a", "a"], ["c", "a"], ["b", "c", "b"], Array.from("abcdefghijkl")],
    ],
    [
      {
        type: "array",
        prefixItems: [{ enum: ["a", "b"] }, { enum: ["b", "c"] }],
        items: { enum: ["a"] },
        uniqueItems: true,
      },
      [[], ["a"], ["a", "b"], ["b", "c", "a"]],
      [["b", "b"], ["a", "c", "a"], ["c"]],
    ],
    // Items of different kinds differ by themselves.
    [
      { type: "array", prefixItems: [{ type: "string" }, number], items: false, uniqueItems: true },
      [[], ["x", 1]],
      [[1], ["x", "x"]],
    ],
    [{ enum: [[1, 2], [1, 1], "x"], uniqueItems: true }, [[1, 2], "x"], [[1, 1]]],
    [
      {
        anyOf: [
          { type: "array", items: { enum: ["a", "b"] }, uniqueItems: true },
          { type: "array", items: number },
        ],
      },
      [["b", "a"], [1, 1], []],
      [
        ["a", "a"],
        ["a", 1],
      ],
    ],
    [
      { type: "array", items: { enum: ["a", "b", "c"] }, uniqueItems: true, contains: { const: "c" } },
      [["c"], ["b", "c", "a"], ["a", "c"]],
      [[], ["a"], ["c", "c"]],
    ],
  ],
  contains: [
    [{ type: "array", contains: { type: "string" } }, [["x"], [1, 2, "x"], [1, "x", "y", 2]], [[], [1], [null, 1, []]]],
    [
      { type: "array", items: { type: "integer" }, contains: { minimum: 5 }, minContains: 2 },
      [
        [5, 6],
        [1, 7, 2, 9, 1],
      ],
      [[5], [1, 2, 7], [5, "x", 6]],
    ],
    [
      { type: "array", items: number, contains: { const: 0 }, maxContains: 1, maxItems: 3 },
      [[0], [1, 0], [1, 2, 0]],
      [[], [0, 0], [1, 2], [1, 2, 3, 0]],
    ],
    [
      { type: "array", contains: number, minContains: 0, maxContains: 1 },
      [[], [1], ["a", 1]],
      [
        [1, 2],
        [1, "a", 2],
      ],
    ],
    [{ type: "array", contains: number, minContains: 0 }, [[], ["a"]], []],
    [{ type: "array", not: { contains: { type: "null" } } }, [[], [1, "a"]], [[null], [1, null]]],
    [
      { type: "array", prefixItems: Array(10).fill({ type: "string" }), contains: number },
      [
        [..."abcdefghij", 1],
        [..."abcdefghij", "k", 1],
      ],
      [[], ["a"], Array.from("abcdefghij")],
    ],
    [
      { type: "array", contains: { type: "object", required: ["id"] }, items: { type: "object" } },
      [[{ a: 1 }, { id: 1 }]],
      [[{ a: 1 }], [1]],
    ],
  ],
  objects: [
    [
      {
        type: "object",
        properties: { a: number, b: { type: "string" }, c: {} },
        required: ["b"],
        additionalProperties: false,
      },
      [{ b: "" }, { a: 1, b: "x", c: [] }, { b: "x", c: 1 }],
      [{}, { a: 1 }, { b: "", d: 1 }, { a: "x", b: "" }, { b: "", a: 1 }],
    ],
    [
      { type: "object", properties: { a: number }, additionalProperties: { type: "string" } },
      [{}, { a: 1 }, { a: 1, b: "x" }, { ab: "y" }],
      [{ b: 1 }, { a: "x" }, { b: "x", a: "y" }],
    ],
    [
      { type: "object", patternProperties: { "^n": number, "^s": { type: "string" } }, additionalProperties: false },
      [{ n: 1 }, { s: "x", n2: 2 }],
      [{ n: "x" }, { q: 1 }],
    ],
    [
      { type: "object", patternProperties: { "^a": number, b$: { minimum: 5 } } },
      [{ ab: 5, ac: 1, cb: 7, x: "y" }],
      [{ ab: 4 }, { ac: "x" }],
    ],
    [{ type: "object", minProperties: 1, maxProperties: 2 }, [{ a: 1 }, { a: 1, b: 2 }], [{}, { a: 1, b: 2, c: 3 }]],
    [
      { type: "object", properties: { a: {}, b: {}, c: {} }, minProperties: 2, additionalProperties: false },
      [
        { a: 1, c: 1 },
        { b: 1, c: 1 },
      ],
      [{ a: 1 }, { c: 1 }],
    ],
    [
      { type: "object", properties: { ab: number, x1: number }, propertyNames: { pattern: "^x" } },
      [{}, { x1: 1 }],
      [{ ab: 1 }, { x1: "" }],
    ],
    [
      {
        type: "object",
        properties: { a: {}, b: {} },
        additionalProperties: false,
        not: { dependentRequired: { a: ["b"] } },
      },
      [{ a: 1 }],
      [{}, { b: 1 }, { a: 1, b: 1 }],
    ],
    [
      {
        type: "object",
        properties: { a: {}, b: {} },
        additionalProperties: false,
        not: { dependentSchemas: { a: { required: ["b"] } } },
      },
      [{ a: 1 }],
      [{}, { b: 1 }, { a: 1, b: 1 }],
    ],
    [{ type: "object", propertyNames: { pattern: "^x", maxLength: 3 } }, [{}, { x1: 1 }], [{ y: 1 }, { x234: 1 }]],
    [{ type: "object", required: ["q"], additionalProperties: number }, [{ q: 1, r: 2 }], [{}, { q: "x" }]],
    [
      { type: "object", dependentRequired: { a: ["b"] }, properties: { a: {}, b: {} } },
      [{}, { b: 1 }, { a: 1, b: 2 }],
      [{ a: 1 }],
    ],
    [{ type: "object", dependentSchemas: { a: { maxProperties: 1 } } }, [{ a: 1 }, { b: 1, c: 1 }], [{ a: 1, b: 1 }]],
    [{ type: "object", properties: { 'a/b~"é': number } }, [{ 'a/b~"é': 1 }], [{ 'a/b~"é': "" }]],
    [{ type: "object", properties: { a: {} }, unevaluatedProperties: false }, [{ a: 1 }], [{ b: 1 }]],
  ],
  combinations: [
    [{ anyOf: [{ type: "string", maxLength: 1 }, { type: "integer" }] }, ["a", 5], ["ab", null]],
    [{ anyOf: [{ required: ["a"] }, { required: ["b"] }], type: "object" }, [{ a: 1 }, { b: 1 }, { a: 1, b: 1 }], [{}]],
    [
      { oneOf: [{ required: ["a"] }, { required: ["b"] }], type: "object", properties: { a: {}, b: {} } },
      [{ a: 1 }, { b: 1 }],
      [{}, { a: 1, b: 1 }],
    ],
    [{ oneOf: [{ multipleOf: 3 }, { multipleOf: 5 }], type: "integer" }, [3, 5, 9], [15, 2, 0]],
    [{ oneOf: [{ type: "integer" }, number] }, [0.5, 2.25], [3]],
    [
      {
        oneOf: [
          { type: "object", properties: { k: { const: "a" }, x: number }, required: ["k", "x"] },
          { type: "object", properties: { k: { const: "b" } }, required: ["k"] },
        ],
      },
      [
        { k: "a", x: 1 },
        { k: "b", y: 2 },
      ],
      [{ k: "a" }, { k: "c" }],
    ],
    [
      {
        allOf: [{ properties: { a: number }, required: ["a"] }, { properties: { a: { minimum: 3 } } }],
        type: "object",
      },
      [{ a: 3 }],
      [{ a: 2 }, {}],
    ],
    [{ not: { type: "string" } }, [1, null, {}, []], ["a"]],
    [{ type: "string", not: { enum: ["a", "b"] } }, ["", "c", "ab"], ["a", "b"]],
    [{ type: "string", not: { pattern: "x" }, maxLength: 3 }, ["", "abc"], ["axb"]],
    [{ not: { not: { type: "null" } } }, [null], [1]],
    [
      {
        if: { properties: { a: { const: 1 } }, required: ["a"] },
        // biome-ignore lint/suspicious/noThenProperty: it is a keyword
        then: { required: ["b"] },
        else: { required: ["c"] },
        type: "object",
      },
      [{ a: 1, b: 1 }, { c: 1 }],
      [{ a: 1 }, { a: 2 }],
    ],
  ],
  references: [
    [
      {
        $defs: {
          n: {
            type: "object",
            properties: { v: number, next: { anyOf: [{ type: "null" }, { $ref: "#/$defs/n" }] } },
            required: ["v", "next"],
            additionalProperties: false,
          },
        },
        $ref: "#/$defs/n",
      },
      [
        { v: 1, next: null },
        { v: 1, next: { v: 2, next: null } },
      ],
      [{ v: 1 }],
    ],
    [
      {
        $id: "https://example.org/a.json",
        $ref: "b.json",
        $defs: { b: { $id: "b.json", $anchor: "x", type: "null" } },
      },
      [null],
      [1],
    ],
    [{ $ref: "#here", definitions: { a: { $anchor: "here", type: "boolean" } } }, [true], [1]],
    [{ definitions: { "a/b": { type: "null" } }, $ref: "#/definitions/a~1b", maxLength: 1 }, [null], ["a"]],
  ],
};

for (const [name, list] of Object.entries(rows))
  describe(name, () => {
    for (const [schema, yes, no] of list)
      test(JSON.stringify(schema).slice(0, 110), () => {
        const constraint = constraintOf({ schema });
        const verdicts = (values: unknown[]) =>
          values.map((v) => [JSON.stringify(v), accepts(constraint, JSON.stringify(v))]);
        expect(verdicts(yes)).toEqual(yes.map((v) => [JSON.stringify(v), true]));
        expect(verdicts(no)).toEqual(no.map((v) => [JSON.stringify(v), false]));
      });
  });

test("choices are texts, not JSON, and a pattern is one of the whole answer", () => {
  const choices = constraintOf({ choices: ["yes", "yes, but", "nö", "🦉"] });
  expect(["yes", "yes, but", "nö", "🦉", "y", "no", "", '"yes"'].map((t) => accepts(choices, t))).toEqual([
    ...[true, true, true, true, false, false, false, false],
  ]);
  const regex = constraintOf({ regex: "(red|blue) \\d{1,2}|é+" });
  expect(["red 7", "blue 42", "éé", "red", "red 777", "xred 7"].map((t) => accepts(regex, t))).toEqual([
    ...[true, true, true, false, false, false],
  ]);
});

test("any object, with compact separators and each character in one spelling", () => {
  const object = constraintOf({ jsonObject: true });
  const yes = ["{}", '{"a":[1,2,{"b":null}],"c":"x\\n\\"é😀\\u0001"}'];
  const no = ["[]", '{"a":}', "{,}", '{"a":1,}', '{"a": 1}', '{"\\u0061":1}', '{"a":01}', '{"a":"\n"}', '{"a":.5}'];
  expect(yes.map((t) => accepts(object, t))).toEqual(yes.map(() => true));
  expect(no.map((t) => accepts(object, t))).toEqual(no.map(() => false));
});
