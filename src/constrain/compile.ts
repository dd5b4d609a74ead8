import { SchemaError, UsageError } from "../errors.js";
import type { ConstraintTables } from "../native/constraint.js";
import { Budget, type Limits, TooLarge } from "./budget.js";
import { type Dfa, isEmpty, ofTexts } from "./dfa.js";
import { Document, type Json } from "./document.js";
import { States } from "./encode.js";
import type { AnswerFormat } from "./format.js";
import { demand } from "./forms.js";
import { compilePattern, PatternError } from "./pattern.js";
import { Program } from "./program.js";
import { Solver } from "./solve.js";

/** Longer schemas are not looked at, in UTF-16 units of their JSON text. */
const maxSchemaText = 4_000_000;

/** The last format and its tables: a command checks a format before it opens the model that needs them. */
let last: { format: string; tables: ConstraintTables } | undefined;

/** Compiles a format to the tables of a grammar, which nobody may change. Throws SchemaError, or UsageError for choices and patterns. */
export function compileFormat(format: AnswerFormat, limits: Partial<Limits> = {}): ConstraintTables {
  const text = textOf([format, limits]);
  if (text === undefined) return tablesOf(format, limits);
  if (last?.format !== text) last = { format: text, tables: tablesOf(format, limits) };
  return last.tables;
}

/** The JSON text of a value; undefined for one that has none, or that lies in itself too deeply. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function tablesOf(format: AnswerFormat, limits: Partial<Limits>): ConstraintTables {
  const budget = new Budget(limits);
  const tooLarge = (error: unknown, wrap: (reason: string) => Error): never => {
    if (error instanceof TooLarge) throw wrap(error.message);
    // Schemas lie in each other, and those who walk through them use the stack.
    if (error instanceof RangeError) throw wrap("it lies in itself too deeply");
    throw error;
  };
  if ("choices" in format) return textTables(choices(format.choices, budget), budget);
  if ("regex" in format)
    try {
      return textTables(regex(format.regex, budget), budget);
    } catch (error) {
      return tooLarge(error, (reason) => new UsageError(`the regular expression can't be followed: ${reason}.`));
    }
  try {
    const value = "schema" in format ? (format.schema as Json) : { type: "object" };
    const text = JSON.stringify(value);
    if (text === undefined) throw new SchemaError("", "a schema is an object, true or false");
    if (text.length > maxSchemaText) throw new TooLarge("it is longer than 4 million characters");
    const document = new Document(JSON.parse(text) as Json, "schema" in format && format.lax === true);
    const solver = new Solver(document, budget);
    return new Program(solver).tables([demand(document.root)]);
  } catch (error) {
    return tooLarge(error, (reason) => new SchemaError("", reason));
  }
}

function choices(list: readonly string[], budget: Budget): Dfa {
  if (list.length === 0 || list.some((choice) => typeof choice !== "string" || choice === ""))
    throw new UsageError("choices are texts that are not empty, at least one.");
  if (list.some((choice) => /\p{Cs}/u.test(choice))) throw new UsageError("a choice is no Unicode text.");
  return ofTexts(list, budget);
}

function regex(source: string, budget: Budget): Dfa {
  try {
    const { dfa } = compilePattern(source, false, budget);
    if (isEmpty(dfa)) throw new UsageError(`no text matches ${source}.`);
    return dfa;
  } catch (error) {
    if (error instanceof PatternError)
      throw new UsageError(`the regular expression can't be followed: ${error.message}.`);
    throw error;
  }
}

/** The tables of an answer that is a plain text. */
function textTables(dfa: Dfa, budget: Budget): ConstraintTables {
  const states = new States(budget);
  const start = states.addText(dfa);
  const starts = [0];
  for (const own of states.edges) starts.push((starts.at(-1) as number) + own.length);
  const none = (): Int32Array => new Int32Array(0);
  return {
    root: 0,
    finalState: states.final(0),
    edgeStarts: Int32Array.from(starts),
    edges: Int32Array.from(states.edges.flat(2)),
    labels: Int32Array.from(states.labels),
    nodes: Int32Array.of(start, 0, 0, 0, 0, 0, 0),
    counted: none(),
    arrays: none(),
    items: none(),
    objects: none(),
    props: none(),
    keyStarts: Int32Array.of(0),
    keys: new Uint8Array(0),
  };
}
