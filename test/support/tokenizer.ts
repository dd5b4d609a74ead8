import { readFileSync } from "node:fs";
import { tokenizerEntries } from "../../src/convert/tokenizer.js";
import { Tokenizer } from "../../src/prompt/tokenizer.js";

/** The tokenizer's GGUF keys as the converter would write them for a tokenizer.json. */
export function tokenizerMetadata(json: unknown = goldenJson()): Record<string, unknown> {
  const { model, added_tokens = [] } = json as { model: { vocab: object }; added_tokens?: { id: number }[] };
  const rows = Math.max(Object.keys(model.vocab).length, ...added_tokens.map((t) => t.id + 1));
  return Object.fromEntries(tokenizerEntries(json, "tokenizer.json", rows, () => {}).map((e) => [e.key, e.value]));
}

export const tokenizerFromJson = (json: unknown) => Tokenizer.fromMetadata(tokenizerMetadata(json), "test");
export const goldenTokenizer = () => tokenizerFromJson(goldenJson());

function goldenJson(): unknown {
  return JSON.parse(readFileSync(new URL("../fixtures/golden/model/tokenizer.json", import.meta.url), "utf8"));
}
