import type { AnswerFormat } from "../../constrain/format.js";
import { FileError, UsageError } from "../../errors.js";
import type { ChatFlags } from "./flags.js";
import { readText } from "./input.js";

type FormatFlags = Pick<ChatFlags, "schema" | "schemaLax" | "choice" | "regex" | "jsonObject">;

/**
 * The form of answers that the options ask for, checked before a model is opened; undefined when they ask for none. Throws SchemaError, UsageError or
 * FileError.
 */
export async function readFormat(flags: FormatFlags): Promise<AnswerFormat | undefined> {
  const { schema, schemaLax, choice, regex, jsonObject } = flags;
  const given = [schema, choice, regex, jsonObject].filter((flag) => flag !== undefined).length;
  if (given > 1) throw new UsageError("--schema, --choice, --regex and --json-object exclude each other.");
  if (schemaLax && schema === undefined) throw new UsageError("--schema-lax needs --schema.");
  if (given === 0) return undefined;
  let format: AnswerFormat;
  if (schema !== undefined) format = { schema: await readSchema(schema), lax: schemaLax === true };
  else if (choice !== undefined) format = { choices: choice };
  else if (regex !== undefined) format = { regex };
  else format = { jsonObject: true };
  const { compileFormat } = await import("../../constrain/compile.js");
  compileFormat(format);
  return format;
}

/** A schema given as JSON, as a file, or in the short form. */
async function readSchema(given: string): Promise<unknown> {
  if (/^\s*[{[]/.test(given) || given === "true" || given === "false") return parse(given, "--schema");
  const { isShortForm, parseShortForm } = await import("../../constrain/short-form.js");
  try {
    return parse(await readText(given, "the schema"), given === "-" ? "stdin" : given);
  } catch (error) {
    if (error instanceof FileError && isShortForm(given)) return parseShortForm(given);
    throw error;
  }
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${(error as Error).message}.`, { cause: error });
  }
}
