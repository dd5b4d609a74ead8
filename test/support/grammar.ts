import { compileFormat } from "../../src/constrain/compile.js";
import type { AnswerFormat } from "../../src/constrain/format.js";
import type { NativeConstraint, NativeMatcher } from "../../src/native/constraint.js";
import { native } from "../../src/native/native.js";

/** The id that ends an answer in a vocabulary whose other ids are the 256 bytes. */
export const end = 256;

/** A vocabulary of the bytes, and further tokens of several bytes from id 257 on. */
function tableOf(more: readonly string[]) {
  const utf8 = more.map((text) => Buffer.from(text));
  const bytes = Buffer.concat([Uint8Array.from({ length: 256 }, (_, i) => i), ...utf8]);
  const starts = [...Array.from({ length: 257 }, (_, i) => i), 256];
  for (const token of utf8) starts.push((starts.at(-1) as number) + token.length);
  return { bytes, starts: Int32Array.from(starts), ends: Int32Array.of(end) };
}

/** The texts of the tokens from id 257 on, such as byte-pair encoding makes: words, punctuation that goes over the border of values, pieces of characters. */
export const tokenTexts = [
  ..."the name type value null true false red blue  a  the 12 00 .5 e+ -1".split(" "),
  ...['"', ""].flatMap((q) => [`${q},`, `${q}}`, `${q}]`, `${q}:`, `${q},"`, `${q}}}`, `${q}}]`, `${q}],"`]),
  ...['{"', '["', "[[", "[]", "{}", '":"', '":{"', '":[', '\\"', "\\n", "\\\\", "é", "😀", "日本", " ,", "  "],
];
/** The bytes of all tokens, and where those of each id begin. */
export const tokenTable = tableOf(tokenTexts);
export const tokens = native().createVocabulary(tokenTable);
const bytesOnly = native().createVocabulary(tableOf([]));

export function constraintOf(format: AnswerFormat, vocabulary = bytesOnly): NativeConstraint {
  return vocabulary.constraint(compileFormat(format));
}

export function allows(matcher: NativeMatcher, id: number): boolean {
  return (((matcher.mask()[id >> 5] as number) >>> (id & 31)) & 1) === 1;
}

/** Whether a text is a whole answer: its bytes one by one, each as the mask says. */
export function accepts(constraint: NativeConstraint, text: string): boolean {
  const matcher = constraint.matcher();
  for (const byte of Buffer.from(text)) {
    if (!allows(matcher, byte)) return false;
    matcher.accept(byte);
  }
  return allows(matcher, end);
}

/** Whether a value is an answer, whatever the order of its keys. */
export function acceptsValue(constraint: NativeConstraint, value: unknown): boolean {
  return [...spellings(value)].some((text) => accepts(constraint, text));
}

/** The JSON texts of a value with its keys in every order; of many keys, only their own. */
function* spellings(value: unknown): Generator<string> {
  if (typeof value !== "object" || value === null) yield JSON.stringify(value);
  else if (Array.isArray(value)) for (const items of each(value)) yield `[${items.join()}]`;
  else
    for (const entries of orders(Object.entries(value)))
      for (const values of each(entries.map(([, inner]) => inner)))
        yield `{${entries.map(([key], i) => `${JSON.stringify(key)}:${values[i]}`).join()}}`;
}

function* each(values: readonly unknown[]): Generator<string[]> {
  if (values.length === 0) yield [];
  else for (const rest of each(values.slice(1))) for (const first of spellings(values[0])) yield [first, ...rest];
}

function* orders<T>(list: readonly T[]): Generator<T[]> {
  if (list.length <= 1 || list.length > 4) yield [...list];
  else
    for (const [i, first] of list.entries())
      for (const rest of orders([...list.slice(0, i), ...list.slice(i + 1)])) yield [first, ...rest];
}

/** Random numbers that are the same in every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
