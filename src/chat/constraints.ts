import type { AnswerFormat } from "../constrain/format.js";
import type { Binding } from "../native/binding.js";
import type { NativeConstraint, NativeMatcher, NativeVocabulary } from "../native/constraint.js";
import { nativeSync } from "../native/native.js";
import type { AskOptions } from "./options.js";
import type { PromptTokenizer } from "./prompt-tokenizer.js";

interface Parts {
  binding: Pick<Binding, "createVocabulary">;
  tokenizer: Pick<PromptTokenizer, "tokenBytes" | "eosIds">;
}

/** Formats that stay compiled, with the masks that were computed of them. */
const maxKept = 16;

/** The formats that answers of a model were asked to have. */
export class Constraints {
  readonly #parts: Parts;
  #vocabulary: NativeVocabulary | undefined;
  readonly #kept = new Map<string, NativeConstraint>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A matcher at the beginning of an answer. Throws SchemaError or UsageError. */
  async matcher(format: AnswerFormat): Promise<NativeMatcher> {
    const key = JSON.stringify(format);
    let constraint = this.#kept.get(key);
    if (!constraint) {
      const { compileFormat } = await import("../constrain/compile.js");
      const tables = compileFormat(format);
      constraint = nativeSync(() => this.#tokens().constraint(tables));
    }
    // The one used last is the last to go.
    this.#kept.delete(key);
    this.#kept.set(key, constraint);
    for (const oldest of this.#kept.keys()) if (this.#kept.size > maxKept) this.#kept.delete(oldest);
    return constraint.matcher();
  }

  #tokens(): NativeVocabulary {
    const { binding, tokenizer } = this.#parts;
    this.#vocabulary ??= binding.createVocabulary({
      ...tokenizer.tokenBytes(),
      ends: Int32Array.from(tokenizer.eosIds),
    });
    return this.#vocabulary;
  }
}

/** The text of the system message about the format. A choice or a pattern is left to the question. */
export function instructionOf({ format, schemaPrompt = true }: AskOptions): string | undefined {
  if (!format || !schemaPrompt) return undefined;
  if ("jsonObject" in format) return "Answer with a JSON object and nothing else.";
  if ("schema" in format)
    return `Answer with JSON that is valid under this JSON Schema and nothing else:\n${JSON.stringify(format.schema)}`;
  return undefined;
}
