/** Prompts with places for the values of a row: "What is {name} doing?". */
import { UsageError } from "../errors.js";

/**
 * Puts values into the places of a template. `{{` and `}}` are braces, and so is a brace around what can't be a name, as in JSON. Throws UsageError for
 * a name that the row has no value for.
 */
export function fill(template: string, value: (name: string) => string | undefined): string {
  return template.replace(place, (found, name: string | undefined) => {
    if (name === undefined) return found[0] as string;
    const text = value(name);
    if (text === undefined) throw new UsageError(`The row has no "${name}", which the prompt asks for.`);
    return text;
  });
}

const place = /\{\{|\}\}|\{([\p{L}_][\p{L}\p{N}_ .-]*)\}/gu;

/** A value of a row as text; undefined: it has none. */
export function textOf(row: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(row, name) ? row[name] : undefined;
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}
