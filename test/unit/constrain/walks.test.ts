import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import type { NativeConstraint } from "../../../src/native/constraint.js";
import { fixtures } from "../../support/files.js";
import { acceptsValue, allows, constraintOf, end, random, tokens, tokenTexts } from "../../support/grammar.js";

const ajv = new Ajv2020.default({ strict: false, multipleOfPrecision: 6, allowUnionTypes: true });
addFormats.default(ajv);

/** Draws tokens until the answer ends. After `calm` tokens those that lead to an end are drawn where there are any. */
function walk(constraint: NativeConstraint, seed: number, calm = 40): string {
  const next = random(seed);
  const matcher = constraint.matcher();
  const bytes: number[] = [];
  for (let n = 0; n < 4000; n++) {
    const mask = matcher.mask();
    const allowed: number[] = [];
    for (let id = 0; id < tokens.size; id++) if (((mask[id >> 5] as number) >>> (id & 31)) & 1) allowed.push(id);
    expect(allowed.length).toBeGreaterThan(0);
    expect(allowed.includes(end)).toBe(matcher.accepts);
    if (allowed.includes(end) && (n > calm || allowed.length === 1 || next() < 0.2))
      return Buffer.from(bytes).toString("utf8");
    const closing = n > calm ? allowed.filter((id) => '"}]:,0'.includes(String.fromCharCode(id))) : [];
    const from = closing.length > 0 && next() < 0.8 ? closing : allowed.filter((id) => id !== end);
    const id = from[Math.floor(next() * from.length)] as number;
    const before = matcher.clone();
    matcher.accept(id);
    // The mask of a token is that of its bytes one after the other.
    if (id > end) {
      for (const byte of tokenBytes(before, id)) bytes.push(byte);
    } else bytes.push(id);
  }
  throw new Error("the walk does not end");
}

function tokenBytes(matcher: ReturnType<NativeConstraint["matcher"]>, id: number): Uint8Array {
  const bytes = Buffer.from(tokenTexts[id - end - 1] as string);
  for (const byte of bytes) {
    expect(allows(matcher, byte)).toBe(true);
    matcher.accept(byte);
  }
  return bytes;
}

interface Real {
  schema: Record<string, unknown>;
  tests: { valid: boolean; data: unknown }[];
}
const folder = path.join(fixtures, "schema/real");

for (const file of readdirSync(folder)) {
  const { schema, tests } = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Real;
  describe(file, () => {
    const validate = ajv.compile(schema);
    test("instances are judged as ajv judges them", () => {
      const constraint = constraintOf({ schema });
      for (const { data, valid } of tests) {
        expect([data, validate(data)]).toEqual([data, valid]);
        expect([data, acceptsValue(constraint, data)]).toEqual([data, valid]);
      }
    });
    test("whatever the masks allow ends in text that ajv finds valid", { timeout: 60_000 }, () => {
      const constraint = constraintOf({ schema }, tokens);
      for (let seed = 1; seed <= 25; seed++) {
        const text = walk(constraint, seed);
        expect(validate(JSON.parse(text)), `${text}: ${ajv.errorsText(validate.errors)}`).toBe(true);
      }
    });
  });
}

/** Random schemas of the keywords that are followed, some of which contradict each other. */
function randomSchema(next: () => number, depth: number): Record<string, unknown> | boolean {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const some = (n: number): number => Math.floor(next() * n);
  const child = (): Record<string, unknown> | boolean => randomSchema(next, depth - 1);
  const keys = ["a", "b", "name"];
  const parts: (() => Record<string, unknown>)[] = [
    () => ({ type: pick(["null", "boolean", "integer", "number", "string"]) }),
    () => ({ type: "integer", minimum: some(20) - 10, maximum: some(200) }),
    () => ({ type: "number", exclusiveMinimum: some(9) - 4.5, multipleOf: pick([0.5, 1, 3]) }),
    () => ({ type: "string", minLength: some(3), maxLength: 2 + some(6) }),
    () => ({ type: "string", pattern: pick(["^[a-c]+$", "x", "^(?!a).*$", "^.{2}$", "\\d"]) }),
    () => ({ enum: ["a", 1, null, [1], { a: 2 }].filter(() => next() < 0.6).concat("z") }),
    () => ({ type: "string", format: pick(["date", "time", "uuid", "ipv4", "email", "date-time"]) }),
  ];
  if (depth > 0)
    parts.push(
      () => ({ type: "array", items: child(), minItems: some(2), maxItems: 2 + some(3) }),
      () => ({ type: "array", prefixItems: [child(), child()], items: pick([false, true]) }),
      () => ({
        type: "object",
        properties: Object.fromEntries(keys.filter(() => next() < 0.7).map((key) => [key, child()])),
        required: keys.filter(() => next() < 0.4),
        ...(next() < 0.6 && { additionalProperties: pick([false, child()]) }),
      }),
      () => ({ type: "object", patternProperties: { "^a": child(), e$: child() }, maxProperties: 1 + some(3) }),
      () => ({ type: "object", minProperties: 1, additionalProperties: child() }),
      () => ({ type: "array", items: { enum: ["a", "ab", 1, true] }, uniqueItems: true, minItems: some(4) }),
      () => ({
        type: "array",
        items: child(),
        contains: child(),
        minContains: 1 + some(2),
        maxItems: 5,
        ...(next() < 0.5 && { maxContains: 2 }),
      }),
      () => ({ anyOf: [child(), child()] }),
      () => ({ oneOf: [child(), child()] }),
      () => ({ allOf: [child(), child()] }),
      () => ({ not: child() }),
      () => Object.fromEntries(["if", "then", "else"].map((key) => [key, child()])),
      () => ({ type: "object", dependentSchemas: { a: child() }, dependentRequired: { b: ["a"] } }),
    );
  return pick(parts)();
}

test("random schemas: what the masks allow is valid, and nothing is stuck", { timeout: 120_000 }, () => {
  let followed = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const schema = randomSchema(random(seed * 7919), 2);
    let constraint: NativeConstraint;
    try {
      constraint = constraintOf({ schema }, tokens);
    } catch {
      continue; // refused, as other tests look at
    }
    followed++;
    const validate = ajv.compile(schema);
    for (let n = 1; n <= 3; n++) {
      const text = walk(constraint, seed * 31 + n, 15);
      expect(validate(JSON.parse(text)), `${JSON.stringify(schema)}: ${text}`).toBe(true);
    }
  }
  expect(followed).toBeGreaterThan(90);
});
