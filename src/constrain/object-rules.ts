import { checkPlain } from "./array-rules.js";
import type { Json, JsonObject } from "./document.js";
import { type Demand, demand, type Facts, type PropertyRules } from "./forms.js";
import type { Choice, Reader } from "./reader.js";
import { limit } from "./scalar-rules.js";

export function objectKeyword(r: Reader, keyword: string, value: Json): void {
  switch (keyword) {
    case "minProperties":
    case "maxProperties":
      limit(r, keyword, value);
      return;
    case "required": {
      const keys = keyList(r, keyword, value);
      r.fact((f) => keys.every((key) => requireKey(f, key)));
      for (const key of keys) r.fails.push({ facts: (f) => forbidKey(f, key) });
      return;
    }
    case "dependentRequired":
    case "dependentSchemas":
    case "dependencies":
      dependencies(r, keyword, value as JsonObject);
      return;
    case "propertyNames":
      r.fact((f) => void f.keys.push(demand(r.child(keyword))));
      r.cannotFail(keyword);
      return;
    case "properties":
      properties(r);
      return;
    case "patternProperties":
      if (r.value.properties === undefined) properties(r);
      return;
    case "additionalProperties":
      if (r.value.properties === undefined && r.value.patternProperties === undefined) properties(r);
      return;
    case "unevaluatedProperties":
      checkPlain(r, keyword);
      if (["properties", "patternProperties", "additionalProperties"].every((k) => r.value[k] === undefined))
        properties(r);
  }
}

function keyList(r: Reader, keyword: string, value: Json): string[] {
  const good = Array.isArray(value) && value.every((key) => typeof key === "string");
  r.expect(keyword, good, "a list of names");
  return value as string[];
}

function dependencies(r: Reader, keyword: string, value: JsonObject): void {
  r.expect(keyword, typeof value === "object" && value !== null, "an object");
  for (const [key, then] of Object.entries(value)) {
    const absent: Choice = { facts: (f) => forbidKey(f, key) };
    if (Array.isArray(then)) {
      const keys = keyList(r, `${keyword}/${key}`, then);
      if (keys.length === 0) continue;
      r.groups.push([absent, { facts: (f) => [key, ...keys].every((k) => requireKey(f, k)) }]);
      for (const k of keys) r.fails.push({ facts: (f) => requireKey(f, key) && forbidKey(f, k) });
    } else {
      const schema = r.child(keyword, key);
      r.groups.push([absent, { facts: (f) => requireKey(f, key), demands: [demand(schema)] }]);
      r.fails.push({ facts: (f) => requireKey(f, key), demands: [demand(schema, true)] });
    }
  }
}

function properties(r: Reader): void {
  const { properties = {}, patternProperties = {} } = r.value as { [key: string]: JsonObject };
  const props = new Map(
    Object.keys(properties).map((key) => [key, demand(r.child("properties", key))] as [string, Demand]),
  );
  const patterns = Object.keys(patternProperties).map((source) => ({
    source,
    ...r.pattern("patternProperties", source, true),
    demand: demand(r.child("patternProperties", source)),
  }));
  const keyword = ["additionalProperties", "unevaluatedProperties"].find((k) => r.value[k] !== undefined);
  const others = keyword === undefined ? undefined : demand(r.child(keyword));
  const rules: PropertyRules = { props, patterns, others };
  for (const { exact } of patterns) if (!exact) r.refuse("patternProperties", "a pattern is none of Unicode mode");
  r.fact((f) => void f.rules.push(rules));
  for (const [key, d] of props)
    if (r.document.at(d >> 1).value !== true)
      r.fails.push({
        facts: (f) => {
          f.rules.push({ props: new Map([[key, d ^ 1]]), patterns: [], others: undefined });
          return requireKey(f, key);
        },
      });
  if (patterns.length > 0) r.cannotFail("patternProperties");
  if (keyword !== undefined && r.child(keyword).value !== true) r.cannotFail(keyword);
}
function requireKey(facts: Facts, key: string): boolean {
  facts.require(key);
  return !facts.absent.has(key);
}
function forbidKey(facts: Facts, key: string): boolean {
  facts.absent.add(key);
  return !facts.required.includes(key);
}
