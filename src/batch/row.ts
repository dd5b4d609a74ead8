/** Rows: what is asked, and of which files. Nothing is opened here. */
import { createHash } from "node:crypto";
import path from "node:path";
import { jsonOf } from "../check.js";
import { UsageError, UserError } from "../errors.js";
import { messagesOf } from "../prompt/parse.js";
import { placeholder } from "../prompt/template.js";
import { openaiQuestion } from "./openai.js";
import { rowOptions } from "./options.js";
import type { Question, RowMedium } from "./question.js";
import type { RawRow } from "./raw.js";
import { fill, textOf } from "./template.js";

export interface Row {
  /** Its number in the whole input, from 0. */
  index: number;
  /** As given; else its file's name; else made from what it holds. */
  id: string;
  /** As given. */
  raw: RawRow;
  /** Its question, or why it has none. */
  question: Question | UserError;
}

export interface RowSettings {
  /** The prompt of all rows, with places for their values. */
  prompt?: string | undefined;
  /** Which column a field is in; a field may come several times. */
  map: readonly (readonly [field: string, column: string])[];
  /** "openai": rows are lines of OpenAI's batch format. */
  format: "rows" | "openai";
}

type Values = Readonly<Record<string, unknown>>;

const mediaFields: Record<string, "image" | "video" | undefined> = {
  image: "image",
  images: "image",
  video: "video",
  videos: "video",
  file: undefined,
  files: undefined,
};
/** The fields that all rows may have. */
export const rowFields: readonly string[] = [...Object.keys(mediaFields), "id", "prompt", "system"];

/** Checks that columns are mapped to some fields. Throws UsageError. */
export function checkMap(map: RowSettings["map"], fields: readonly string[]): void {
  for (const [field] of map)
    if (!fields.includes(field)) throw new UsageError(`there is no field "${field}"; there are ${fields.join(", ")}.`);
}

/** Numbers the rows, and gives each an id and its question. */
export class RowMaker {
  readonly #settings: RowSettings;
  readonly #unique: boolean;
  /** Numbers of rows by their ids. */
  readonly #seen = new Map<string, number>();
  #index = 0;

  /** @param unique whether ids must differ, because a later run goes by them */
  constructor(settings: RowSettings, unique: boolean) {
    this.#settings = settings;
    this.#unique = unique;
  }

  /** Makes the next row; undefined for a file that was named before. Throws UsageError for an id that came before. */
  make(raw: RawRow): Row | undefined {
    const { value, options, bad, place } = raw;
    if (place) return { ...place, raw, question: this.#question(value, options, bad) };
    const name = typeof value === "string" && bad === undefined ? value : undefined;
    const given = typeof value === "string" ? undefined : this.#givenId(value);
    if (name !== undefined && this.#unique && this.#seen.has(name)) return undefined;
    const index = this.#index++;
    const id = this.#note(name ?? given, index, value);
    return { index, id, raw, question: this.#question(value, options, bad) };
  }

  #givenId(values: Values): string | undefined {
    const field = this.#settings.format === "openai" ? "custom_id" : "id";
    const id = this.#mapped(values, field)[0];
    return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : undefined;
  }

  #note(given: string | undefined, index: number, value: RawRow["value"]): string {
    const made = given ?? createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
    if (!this.#unique) return made;
    const before = this.#seen.get(made);
    if (before === undefined) {
      this.#seen.set(made, index);
      return made;
    }
    if (given !== undefined)
      throw new UsageError(`Rows ${before + 1} and ${index + 1} have the same id, ${JSON.stringify(given)}.`);
    // Rows that hold the same are told apart by how often they came.
    for (let copy = 2; ; copy++) {
      const id = `${made}-${copy}`;
      if (this.#seen.has(id)) continue;
      this.#seen.set(id, index);
      return id;
    }
  }

  #question(value: RawRow["value"], options: boolean, bad: string | undefined): Question | UserError {
    try {
      if (bad !== undefined) throw new UsageError(bad);
      if (this.#settings.format === "openai") {
        if (typeof value === "string") throw new UsageError("A line is not a JSON object.");
        return openaiQuestion(value);
      }
      return typeof value === "string" ? this.#ofFile(value) : this.#ofValues(value, options);
    } catch (error) {
      if (error instanceof UserError) return error;
      throw error;
    }
  }

  #ofFile(file: string): Question {
    const { prompt } = this.#settings;
    if (prompt === undefined) throw new UsageError("there is no prompt for the row.");
    const { name, dir, base } = path.parse(file);
    const values: Values = { file, name: base, stem: name, folder: dir };
    const text = fill(prompt, (column) => textOf(values, column));
    return { media: [{ where: file }], prompt: text, literal: !hasPlace(prompt), options: {} };
  }

  #ofValues(values: Values, options: boolean): Question {
    const own = options ? values : this.#onlyMapped(values);
    if (options && values.messages !== undefined && values.messages !== null)
      return { messages: messagesOf(values.messages, "The row"), options: rowOptions(own) };
    const template = this.#settings.prompt;
    const prompt =
      template === undefined ? this.#text(values, "prompt") : fill(template, (name) => textOf(values, name));
    if (prompt === undefined) throw new UsageError("The row has no prompt.");
    return {
      media: Object.keys(mediaFields).flatMap((field) => this.#media(values, field)),
      prompt,
      system: this.#text(values, "system"),
      literal: template !== undefined && !hasPlace(template),
      options: rowOptions(own),
    };
  }

  /** Cells are options only where a column is mapped to one. */
  #onlyMapped(values: Values): Values {
    const { map } = this.#settings;
    return Object.fromEntries(map.flatMap(([field, column]) => (values[column] ? [[field, values[column]]] : [])));
  }

  #mapped(values: Values, field: string): unknown[] {
    return mapped(this.#settings.map, values, field);
  }

  #text(values: Values, field: string): string | undefined {
    const [value] = this.#mapped(values, field);
    if (value === undefined || typeof value === "string") return value;
    throw new UsageError(`"${field}" must be a text.`);
  }

  #media(values: Values, field: string): RowMedium[] {
    const kind = mediaFields[field];
    return this.#mapped(values, field)
      .flatMap((value) => namesOf(value, field))
      .map((where) => ({ where, ...(kind && { kind }) }));
  }
}

/** The values of a field: those of the columns that are mapped to it, else of the column of its name. */
export function mapped(map: RowSettings["map"], values: Values, field: string): unknown[] {
  const columns = map.flatMap(([to, column]) => (to === field ? [column] : []));
  return (columns.length > 0 ? columns : [field])
    .map((column) => (Object.hasOwn(values, column) ? values[column] : undefined))
    .filter((value) => value !== undefined && value !== null);
}

const hasPlace = (prompt: string): boolean => prompt.includes(placeholder);

/** The names of a cell: one, or a list of them, in a table as JSON. */
function namesOf(value: unknown, field: string): string[] {
  const listed = typeof value === "string" && value.startsWith("[") ? (jsonOf(value) ?? value) : value;
  const names = Array.isArray(listed) ? listed : [listed];
  if (names.some((name) => typeof name !== "string"))
    throw new UsageError(`"${field}" must be a file or a list of files.`);
  if (names.includes("")) throw new UsageError(`"${field}" is empty.`);
  return names;
}

/** The seed of a row: the same for the same seed of the run and id, on every machine. */
export function seedOf(seed: number, id: string): number {
  return createHash("sha256").update(`${seed}\0${id}`).digest().readUInt32LE(0);
}

/** The seed that a row brings, else its own of the run's. */
export function rowSeed(seed: number, { id, question }: Row): number {
  return (question instanceof Error ? undefined : question.options.seed) ?? seedOf(seed, id);
}

/** The files of a row, as they are named in it. */
export function filesOfRow({ question }: Row): string[] {
  if (question instanceof Error || !("media" in question)) return [];
  return question.media.map(({ where }) => where).filter((where) => !/^data:/i.test(where));
}
