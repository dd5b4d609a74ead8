import { UsageError } from "../errors.js";

const types: Readonly<Record<string, string>> = {
  str: "string",
  string: "string",
  int: "integer",
  integer: "integer",
  float: "number",
  number: "number",
  bool: "boolean",
  boolean: "boolean",
};

const field = /^\s*([\p{L}_][\p{L}\p{N}_-]*)(?:\s+([a-z]+))?(?:\s*:\s*(.*?))?\s*$/su;

/** Whether a text may be a schema in short form rather than the name of a file: it lists several names, or names with their types. */
export function isShortForm(text: string): boolean {
  return /[,\s]/.test(text.trim()) && split(text).every((part) => field.test(part));
}

/**
 * Reads the short form of a schema, as `llm` has it: names, each with a type (str, int, float or bool; str when left out) and a description after a colon.
 * They are separated by commas, or stand on lines of their own, where descriptions may have commas. Throws UsageError.
 */
export function parseShortForm(text: string): unknown {
  const properties: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const part of split(text)) {
    const [, name = "", type = "str", description] = field.exec(part) ?? [];
    if (!Object.hasOwn(types, type))
      throw new UsageError(`${type} is no type of the short form: give str, int, float or bool.`);
    properties[name] = { type: types[type], ...(description ? { description } : {}) };
  }
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}

function split(text: string): string[] {
  return text.split(text.includes("\n") ? "\n" : ",").filter((part) => part.trim() !== "");
}
