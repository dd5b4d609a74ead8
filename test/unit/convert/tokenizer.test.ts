import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tokenizerEntries } from "../../../src/convert/tokenizer.js";
import { goldenCheckpoint } from "../../support/checkpoint.js";

const golden = () => JSON.parse(readFileSync(join(goldenCheckpoint, "tokenizer.json"), "utf8"));

/** Entries by key, and the warnings. */
function entriesOf(json: unknown, rows = 2048) {
  const warnings: string[] = [];
  const entries = tokenizerEntries(json, "tokenizer.json", rows, (message) => warnings.push(message));
  return {
    warnings,
    entry: (key: string) => entries.find((entry) => entry.key === `tokenizer.ggml.${key}`)?.value as never[],
  };
}

/** Nested more deeply than recursion goes. */
const deep = () => JSON.parse("[".repeat(20_000) + "]".repeat(20_000));

describe("tokenizer.json to GGUF", () => {
  test("merges as pairs and as strings give the same", () => {
    const pairs = golden();
    expect(Array.isArray(pairs.model.merges[0])).toBe(true);
    const strings = {
      ...pairs,
      model: { ...pairs.model, merges: pairs.model.merges.map((merge: string[]) => merge.join(" ")) },
    };
    expect(entriesOf(pairs).entry("merges")).toEqual(entriesOf(strings).entry("merges"));
    expect(entriesOf(pairs).entry("merges")[0]).toBe("Ġ Ġ");
  });

  test("added tokens: special ones, others, and those past the last row", () => {
    const json = golden();
    json.added_tokens.push(
      { id: 2003, content: "<tool>", special: false },
      { id: 2048, content: "<late>", special: true },
    );
    const { entry, warnings } = entriesOf(json);
    expect(entry("tokens").slice(2001, 2005)).toEqual(["<|im_start|>", "<|im_end|>", "<tool>", "[PAD2004]"]);
    expect(entry("token_type").slice(2001, 2005)).toEqual([3, 3, 4, 5]);
    expect(entry("tokens")).toHaveLength(2048);
    expect(warnings).toEqual(["1 added tokens lie past the embedding's 2048 rows and are skipped (<late> ...)."]);
  });

  test("an added token may repeat one of the vocabulary, no other", () => {
    const json = golden();
    json.added_tokens.push({ id: 0, content: "!", special: false });
    expect(entriesOf(json).entry("token_type")[0]).toBe(4);
    json.added_tokens.push({ id: 1, content: "!", special: false });
    expect(() => entriesOf(json)).toThrow("id 1 is given twice");
  });

  test.each<[string, (json: ReturnType<typeof golden>) => unknown, RegExp]>([
    ["no object", () => null, /is not a byte-level BPE tokenizer/],
    ["no merges", (json) => ({ ...json, model: { ...json.model, merges: undefined } }), /is not a byte-level BPE/],
    ["a bad merge", (json) => ({ ...json, model: { ...json.model, merges: ["a b c"] } }), /has the merge "a b c"/],
    [
      "a merge with a space",
      (json) => ({ ...json, model: { ...json.model, merges: [["a b", "c"]] } }),
      /has the merge/,
    ],
    [
      "an id that is no number",
      (json) => ({ ...json, model: { ...json.model, vocab: { a: "0" } } }),
      /id that is no integer/,
    ],
    ["an id twice", (json) => ({ ...json, model: { ...json.model, vocab: { a: 7, b: 7 } } }), /id 7 is given twice/],
    [
      "another pre-tokenizer",
      (json) => ({ ...json, pre_tokenizer: { type: "Whitespace" } }),
      /another way than Qwen2's/,
    ],
    ["a pre-tokenizer of any depth", (json) => ({ ...json, pre_tokenizer: deep() }), /another way than Qwen2's/],
    [
      "a merge of any depth",
      (json) => ({ ...json, model: { ...json.model, merges: [deep()] } }),
      /expected two tokens/,
    ],
    ["an added token that is null", (json) => ({ ...json, added_tokens: [null] }), /lacks id or content/],
    ["added tokens that are no list", (json) => ({ ...json, added_tokens: 3 }), /added_tokens is no list/],
  ])("refuses %s", (_, change, message) => {
    expect(() => entriesOf(change(golden()))).toThrow(message);
  });

  test("refuses a vocabulary larger than the embedding", () => {
    expect(() => entriesOf(golden(), 1999)).toThrow(/has id 1999, but the embedding has 1999 rows/);
  });

  test("a token called __proto__ is a token", () => {
    const json = JSON.parse(JSON.stringify(golden()).replace('"!":0', '"__proto__":0'));
    expect(entriesOf(json).entry("tokens")[0]).toBe("__proto__");
  });
});
