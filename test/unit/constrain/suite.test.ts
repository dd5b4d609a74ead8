import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { SchemaError } from "../../../src/errors.js";
import { fixtures } from "../../support/files.js";
import { acceptsValue, constraintOf } from "../../support/grammar.js";

// The JSON Schema Test Suite, draft 2020-12 (github.com/json-schema-org/JSON-Schema-Test-Suite at 44401e0c, MIT: test/fixtures/schema/LICENSE).
interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}
const suite = JSON.parse(readFileSync(path.join(fixtures, "schema/suite.json"), "utf8")) as Record<string, Group[]>;

/** Keywords with valid values that are no answers: formats are followed, though by default they forbid nothing; the rest asks for another vocabulary. */
const narrower = new Set(["format", "vocabulary"]);

const counts = { groups: 0, followed: 0 };

for (const [keyword, groups] of Object.entries(suite))
  describe(keyword, () => {
    for (const { description, schema, tests } of groups)
      test(description, () => {
        counts.groups++;
        let constraint: ReturnType<typeof constraintOf>;
        try {
          constraint = constraintOf({ schema, lax: true });
        } catch (error) {
          expect(error).toBeInstanceOf(SchemaError);
          const none = (error as SchemaError).reason.startsWith("no value is valid");
          if (none) expect(tests.filter(({ valid }) => valid)).toEqual([]);
          return;
        }
        counts.followed++;
        for (const { description: what, data, valid } of tests) {
          const accepted = acceptsValue(constraint, data);
          if (!valid) expect([what, accepted]).toEqual([what, false]);
          else if (!narrower.has(keyword)) expect([what, accepted]).toEqual([what, true]);
        }
      });
  });

test("most of the suite is followed", () => {
  expect(counts.groups).toBe(383);
  expect(counts.followed).toBeGreaterThanOrEqual(292);
});
