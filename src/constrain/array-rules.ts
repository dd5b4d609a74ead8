import type { Json, Schema } from "./document.js";
import { demand } from "./forms.js";
import type { Reader } from "./reader.js";
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
      // Two equal items can't be told from different ones without remembering all.
      if (typeof r.value.maxItems !== "number" || r.value.maxItems > 1)
        r.refuse(keyword, "unique items are not supported");
      return;
    case "contains":
      if (r.value.minContains === 0 && r.value.maxContains === undefined) return;
      r.refuse(keyword, "it is not supported");
  }
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
