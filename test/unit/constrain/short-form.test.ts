import { expect, test } from "vitest";
import { formatOf } from "../../../src/constrain/format.js";
import { isShortForm, parseShortForm } from "../../../src/constrain/short-form.js";
import { UsageError } from "../../../src/errors.js";

test("names with types and descriptions become an object that has them all", () => {
  expect(parseShortForm("name, age int, share float, is_new bool: whether it is new")).toEqual({
    type: "object",
    properties: {
      name: { type: "string" },
      age: { type: "integer" },
      share: { type: "number" },
      is_new: { type: "boolean", description: "whether it is new" },
    },
    required: ["name", "age", "share", "is_new"],
    additionalProperties: false,
  });
  const lines = parseShortForm("colours: red, green or blue\n\n  count integer\n") as { properties: object };
  expect(lines.properties).toEqual({
    colours: { type: "string", description: "red, green or blue" },
    count: { type: "integer" },
  });
  expect(() => parseShortForm("age years")).toThrow(UsageError);
  // A name that every object has is no type.
  expect(() => parseShortForm("a constructor")).toThrow("constructor is no type");
});

test("the name of a file is no short form", () => {
  expect(isShortForm("name, age int")).toBe(true);
  expect(isShortForm("schema.json")).toBe(false);
  expect(isShortForm("name")).toBe(false);
  expect(isShortForm("my schema.json, x")).toBe(false);
});

test("OpenAI's forms of answers", () => {
  expect(formatOf(undefined)).toBeUndefined();
  expect(formatOf(null)).toBeUndefined();
  expect(formatOf({ type: "text" })).toBeUndefined();
  expect(formatOf({ type: "json_object" })).toEqual({ jsonObject: true });
  const schema = { type: "null" };
  expect(formatOf({ type: "json_schema", schema, strict: true })).toEqual({ schema });
  expect(formatOf({ type: "json_schema", schema, strict: null })).toEqual({ schema, lax: true });
});
