/** The addon's side of answers that follow a grammar (native/constrain). */

/** The tables of a grammar, as native/constrain/grammar.h describes them. */
export interface ConstraintTables {
  root: number;
  finalState: number;
  edgeStarts: Int32Array;
  edges: Int32Array;
  labels: Int32Array;
  nodes: Int32Array;
  counted: Int32Array;
  arrays: Int32Array;
  items: Int32Array;
  objects: Int32Array;
  props: Int32Array;
  keyStarts: Int32Array;
  keys: Uint8Array;
}

/** The tokens of a model: `starts` [n + 1] into their bytes; tokens without bytes are never allowed; `ends` are the ids that end an answer. */
export interface VocabularyTokens {
  bytes: Uint8Array;
  starts: Int32Array;
  ends: Int32Array;
}

export interface NativeVocabulary {
  readonly size: number;
  /** Checks the tables: they may come from anywhere. */
  constraint(tables: ConstraintTables): NativeConstraint;
}

/** A grammar over a vocabulary. Its matchers share the masks that were computed. */
export interface NativeConstraint {
  matcher(): NativeMatcher;
}

/** A place in an answer that follows a grammar. While an advance() that has it is under way, every other call is an error. */
export interface NativeMatcher {
  /** Takes the next id; one that may not come is an error. A sampler that draws with a matcher does this itself. */
  accept(id: number): void;
  clone(): NativeMatcher;
  /** The ids that may come next: bit id % 32 of number id / 32. */
  mask(): Uint32Array;
  /** The bytes that must come next, at most `max`. */
  forced(max: number): Uint8Array;
  /** Whether the answer may end here, and whether it must. */
  readonly accepts: boolean;
  readonly complete: boolean;
}
