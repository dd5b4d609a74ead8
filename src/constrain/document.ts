import { SchemaError } from "../errors.js";
import { isKnown, listKeywords, mapKeywords, refusedKeywords, schemaKeywords } from "./keywords.js";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A schema, or one within it, and where it stands. */
export interface Schema {
  readonly number: number;
  readonly value: boolean | JsonObject;
  readonly pointer: string;
}

/** Deeper schemas are refused: those who walk through them use the stack. */
const maxDepth = 200;
const maxSchemas = 50_000;

/** The schemas of a document, each with a number, and what refers to what. */
export class Document {
  readonly root: Schema;
  readonly #lax: boolean;
  readonly #value: Json;
  readonly #schemas: Schema[] = [];
  readonly #known = new Map<string, Schema>();
  /** Addresses of schemas: those with an $id, and anchors. */
  readonly #addresses = new Map<string, Schema>();
  #nothing: Schema | undefined;
  readonly #bases = new Map<number, string>();

  /** `lax`: keywords and formats that are unknown are passed over. Throws SchemaError. */
  constructor(value: Json, lax: boolean) {
    this.#lax = lax;
    this.#value = value;
    this.root = this.#enter(value, "", "schema:///", 0);
    this.#checkLoops();
  }

  get lax(): boolean {
    return this.#lax;
  }

  at(number: number): Schema {
    return this.#schemas[number] as Schema;
  }

  /** The schema in a keyword's value, or in a member of it. */
  child(parent: Schema, ...path: string[]): Schema {
    const pointer = path.reduce((at, key) => `${at}/${escapedKey(key)}`, parent.pointer);
    return this.#known.get(pointer) as Schema;
  }

  /** A schema that no document has: of one value. */
  constant(value: Json, pointer: string): Schema {
    return this.#add({ const: value }, pointer, undefined);
  }

  /** The schema false. */
  get nothing(): Schema {
    this.#nothing ??= this.#add(false, "", undefined);
    return this.#nothing;
  }

  target(schema: Schema, ref: string): Schema {
    const fail = (reason: string): never => {
      throw new SchemaError(`${schema.pointer}/$ref`, reason);
    };
    let url: URL;
    try {
      url = new URL(ref, this.#bases.get(schema.number));
    } catch {
      return fail(`${JSON.stringify(ref)} is no reference`);
    }
    const fragment = decode(url.hash.slice(1));
    url.hash = "";
    const base = this.#addresses.get(url.href);
    if (!base) return fail(`${JSON.stringify(ref)} is outside of the schema`);
    if (fragment === "") return base;
    if (!fragment.startsWith("/"))
      return this.#addresses.get(`${url.href}#${fragment}`) ?? fail(`there is no anchor ${JSON.stringify(fragment)}`);
    const pointer = base.pointer + fragment;
    const known = this.#known.get(pointer);
    if (known) return known;
    let value: Json | undefined = this.#value;
    for (const key of pointer.slice(1).split("/"))
      value =
        typeof value === "object" && value !== null && Object.hasOwn(value, plainKey(key))
          ? (value as JsonObject)[plainKey(key)]
          : undefined;
    if (value === undefined) return fail(`there is nothing at ${JSON.stringify(ref)}`);
    return this.#enter(value, pointer, this.#bases.get(schema.number) as string, 0);
  }

  #add(value: boolean | JsonObject, pointer: string, base: string | undefined): Schema {
    if (this.#schemas.length >= maxSchemas) throw new SchemaError(pointer, `there are more than ${maxSchemas} schemas`);
    const schema = { number: this.#schemas.length, value, pointer };
    this.#schemas.push(schema);
    if (base !== undefined) {
      this.#known.set(pointer, schema);
      this.#bases.set(schema.number, base);
    }
    return schema;
  }

  /** Notes a schema and all below it, and checks that its keywords are known. */
  #enter(value: Json, pointer: string, base: string, depth: number): Schema {
    const known = this.#known.get(pointer);
    if (known) return known;
    if (depth > maxDepth) throw new SchemaError(pointer, `schemas lie in each other deeper than ${maxDepth} levels`);
    if (typeof value === "boolean") return this.#add(value, pointer, base);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new SchemaError(pointer, "a schema is an object, true or false");
    const id = value.$id ?? value.id;
    const own = typeof id === "string" ? resolve(id, base) : base;
    const schema = this.#add(value, pointer, own);
    if (pointer === "" || own !== base) {
      const [address] = own.split("#") as [string];
      if (!this.#addresses.has(address)) this.#addresses.set(address, schema);
      if (own.includes("#")) this.#addresses.set(own, schema);
      if (pointer === "") this.#addresses.set("schema:///", schema);
    }
    for (const key of ["$anchor", "$dynamicAnchor"])
      if (typeof value[key] === "string") this.#addresses.set(`${own.split("#")[0]}#${value[key]}`, schema);
    for (const [keyword, inner] of Object.entries(value)) {
      const at = `${pointer}/${escapedKey(keyword)}`;
      const refused = refusedKeywords.get(keyword);
      if (refused !== undefined) throw new SchemaError(at, refused);
      if (!isKnown(keyword) && !this.#lax)
        throw new SchemaError(at, `${JSON.stringify(keyword)} is no keyword of JSON Schema`);
      if (listKeywords.has(keyword) && Array.isArray(inner))
        for (const [i, item] of inner.entries()) this.#enter(item, `${at}/${i}`, own, depth + 1);
      else if (mapKeywords.has(keyword)) {
        if (typeof inner !== "object" || inner === null || Array.isArray(inner))
          throw new SchemaError(at, "an object is expected here");
        for (const [key, item] of Object.entries(inner))
          if (keyword !== "dependencies" || !Array.isArray(item))
            this.#enter(item, `${at}/${escapedKey(key)}`, own, depth + 1);
      } else if (schemaKeywords.has(keyword)) this.#enter(inner, at, own, depth + 1);
      else if (listKeywords.has(keyword)) throw new SchemaError(at, "a list of schemas is expected here");
    }
    return schema;
  }

  /** Refuses a schema that says of a value only that it is valid if it is valid. */
  #checkLoops(): void {
    const done = new Set<Schema>();
    const visit = (schema: Schema, above: Set<Schema>): void => {
      if (above.has(schema)) throw new SchemaError(schema.pointer, "it refers to itself without a step into a value");
      if (done.has(schema) || typeof schema.value === "boolean") return;
      above.add(schema);
      const { $ref } = schema.value;
      if (typeof $ref === "string") visit(this.target(schema, $ref), above);
      for (const keyword of ["allOf", "anyOf", "oneOf"]) {
        const list = schema.value[keyword];
        if (Array.isArray(list)) for (const i of list.keys()) visit(this.child(schema, keyword, String(i)), above);
      }
      for (const keyword of ["not", "if", "then", "else"])
        if (schema.value[keyword] !== undefined) visit(this.child(schema, keyword), above);
      for (const keyword of ["dependentSchemas", "dependencies"])
        for (const [key, item] of Object.entries((schema.value[keyword] as JsonObject | undefined) ?? {}))
          if (!Array.isArray(item)) visit(this.child(schema, keyword, key), above);
      above.delete(schema);
      done.add(schema);
    };
    for (let n = 0; n < this.#schemas.length; n++) visit(this.at(n), new Set());
  }
}

const escapedKey = (key: string): string => key.replace(/~/g, "~0").replace(/\//g, "~1");
const plainKey = (key: string): string => key.replace(/~1/g, "/").replace(/~0/g, "~");

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function resolve(id: string, base: string): string {
  try {
    return new URL(id, base).href;
  } catch {
    return base;
  }
}
