import { SchemaError } from "../errors.js";
import type { Budget } from "./budget.js";
import type { Document, Json, JsonObject, Schema } from "./document.js";
import type { Demand, Facts, Type } from "./forms.js";
import { type CompiledPattern, compilePattern, PatternError } from "./pattern.js";

/** One way to meet a demand: further demands, and facts; facts that contradict give false. */
export interface Choice {
  demands?: Demand[];
  facts?: (facts: Facts) => unknown;
  /** Further choices, one of each group. */
  groups?: Choice[][];
}

/** The things that all keywords of a schema share. */
export interface Rules {
  document: Document;
  budget: Budget;
  patterns: Map<string, CompiledPattern>;
}

/** Collects what a schema asks of values of one type, keyword by keyword. */
export class Reader {
  readonly schema: Schema;
  readonly value: JsonObject;
  readonly type: Type;
  /** Demands that all values must meet, and groups of which they must meet one choice each. */
  readonly demands: Demand[] = [];
  readonly groups: Choice[][] = [];
  /** The ways in which a value may fail to be valid. */
  readonly fails: Choice[] = [];
  /** A keyword whose failing can't be written down. */
  inexpressible: string | undefined;
  readonly #facts: ((facts: Facts) => unknown)[] = [];
  readonly #rules: Rules;

  constructor(rules: Rules, schema: Schema, value: JsonObject, type: Type) {
    this.#rules = rules;
    this.schema = schema;
    this.value = value;
    this.type = type;
  }

  get document(): Document {
    return this.#rules.document;
  }
  get budget(): Budget {
    return this.#rules.budget;
  }

  /** Adds a fact; one that contradicts the others gives false. */
  fact(fact: (facts: Facts) => unknown): void {
    this.#facts.push(fact);
  }
  /** All facts at once. */
  state(facts: Facts): boolean {
    return this.#facts.every((fact) => fact(facts) !== false);
  }
  cannotFail(keyword: string): void {
    this.inexpressible ??= `${this.schema.pointer}/${keyword}`;
  }

  child(...path: string[]): Schema {
    return this.document.child(this.schema, ...path);
  }
  list(keyword: string, value: Json): Schema[] {
    this.expect(keyword, Array.isArray(value) && value.length > 0, "a list of schemas");
    return (value as Json[]).map((_, i) => this.child(keyword, String(i)));
  }

  refuse(keyword: string, reason: string): never {
    throw new SchemaError(`${this.schema.pointer}/${keyword}`, reason);
  }
  expect(keyword: string, good: boolean, what: string): void {
    if (!good) this.refuse(keyword, `${what} is expected here`);
  }
  count(keyword: string, value: Json): number {
    this.expect(keyword, typeof value === "number" && Number.isInteger(value) && value >= 0, "a count");
    return value as number;
  }

  /** Compiles a pattern, each once. */
  pattern(keyword: string, source: string, search: boolean): CompiledPattern {
    const key = `${search} ${source}`;
    let known = this.#rules.patterns.get(key);
    if (!known) {
      try {
        known = compilePattern(source, search, this.#rules.budget);
      } catch (error) {
        if (error instanceof PatternError)
          this.refuse(keyword, `the pattern ${source} can't be followed: ${error.message}`);
        throw error;
      }
      this.#rules.patterns.set(key, known);
    }
    return known;
  }
}
