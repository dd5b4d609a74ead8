/** The keywords of JSON Schema, of all drafts from 4 on. */

/** Keywords whose value is a schema, a list of them, or a map of them. */
export const schemaKeywords: ReadonlySet<string> = new Set([
  ..."additionalItems additionalProperties contains else if items not propertyNames then".split(" "),
  ..."unevaluatedItems unevaluatedProperties".split(" "),
]);
export const listKeywords: ReadonlySet<string> = new Set(["allOf", "anyOf", "items", "oneOf", "prefixItems"]);
export const mapKeywords: ReadonlySet<string> = new Set(
  "$defs definitions dependencies dependentSchemas patternProperties properties".split(" "),
);

/** Keywords that forbid something and hold no schema. */
const others = [
  ..."$ref const dependentRequired enum exclusiveMaximum exclusiveMinimum format maxItems maxLength".split(" "),
  ..."maxProperties maximum minItems minLength minProperties minimum multipleOf pattern required type".split(" "),
  "uniqueItems",
];

/** Keywords that forbid nothing: names, notes, and hints for those who read, write or show a value. */
const silent = [
  ..."$anchor $comment $id $schema $vocabulary contentEncoding contentMediaType contentSchema default".split(" "),
  ..."comment deprecated description example examples id readOnly readonly title writeOnly".split(" "),
  // JSON Hyper-Schema, OpenAPI, and editors.
  ..."base links media targetSchema discriminator externalDocs xml".split(" "),
  ..."defaultSnippets deprecationMessage enumDescriptions markdownDescription markdownEnumDescriptions".split(" "),
];

export const refusedKeywords: ReadonlyMap<string, string> = new Map([
  ["$dynamicRef", "references that depend on the way to them are not supported"],
  ["$recursiveRef", "references that depend on the way to them are not supported"],
]);

const known = new Set([...schemaKeywords, ...listKeywords, ...mapKeywords, ...others, ...silent]);
for (const keyword of ["$dynamicAnchor", "$recursiveAnchor", "maxContains", "minContains"]) known.add(keyword);

/** Whether a keyword is one of JSON Schema's, or marked as a private one: x- is OpenAPI's convention, _ is common. */
export function isKnown(keyword: string): boolean {
  return known.has(keyword) || keyword.startsWith("x-") || keyword.startsWith("_");
}
