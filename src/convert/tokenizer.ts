import { ModelFileError } from "../errors.js";
import type { GgufEntry } from "../native/gguf.js";

/** `tokenizer.ggml.token_type` values. */
const tokenType = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

/** The pre-tokenizer of Qwen2, which `tokenizer.ggml.pre = "qwen2"` names. */
const qwen2Split =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

interface TokenizerJson {
  added_tokens?: { id: number; content: string; special: boolean }[];
  pre_tokenizer?: unknown;
  model: { type: string; vocab: Record<string, number>; merges: (string | [string, string])[] };
}

/**
 * Makes the tokenizer's GGUF entries for an embedding of `rows` rows. Rows without a token become unused tokens; added tokens past the last
 * row are skipped with a warning.
 */
export function tokenizerEntries(
  json: unknown,
  path: string,
  rows: number,
  warn: (message: string) => void,
): GgufEntry[] {
  const tokenizer = checked(json, path);
  const tokens: (string | undefined)[] = new Array(rows).fill(undefined);
  const types: number[] = new Array(rows).fill(tokenType.unused);
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) {
    if (!Number.isInteger(id) || id < 0) refuse(path, `token ${JSON.stringify(token)} has an id that is no integer`);
    if (id >= rows) refuse(path, `token ${JSON.stringify(token)} has id ${id}, but the embedding has ${rows} rows`);
    if (tokens[id] !== undefined) refuse(path, `id ${id} is given twice`);
    tokens[id] = token;
    types[id] = tokenType.normal;
  }
  const dropped: string[] = [];
  for (const token of tokenizer.added_tokens ?? []) {
    const { id, content, special } = token ?? {};
    if (!Number.isInteger(id) || id < 0 || typeof content !== "string")
      refuse(path, "an added token lacks id or content");
    if (id >= rows) {
      dropped.push(content);
      continue;
    }
    if (tokens[id] !== undefined && tokens[id] !== content) refuse(path, `id ${id} is given twice`);
    tokens[id] = content;
    types[id] = special ? tokenType.control : tokenType.userDefined;
  }
  if (dropped.length > 0)
    warn(`${dropped.length} added tokens lie past the embedding's ${rows} rows and are skipped (${dropped[0]} ...).`);
  return [
    { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
    { key: "tokenizer.ggml.pre", type: "string", value: "qwen2" },
    { key: "tokenizer.ggml.tokens", type: "string[]", value: tokens.map((token, id) => token ?? `[PAD${id}]`) },
    { key: "tokenizer.ggml.token_type", type: "i32[]", value: types },
    {
      key: "tokenizer.ggml.merges",
      type: "string[]",
      value: tokenizer.model.merges.map((merge) => mergeText(merge, path)),
    },
  ];
}

function checked(json: unknown, path: string): TokenizerJson {
  const tokenizer = json as TokenizerJson;
  const model = tokenizer?.model;
  if (model?.type !== "BPE" || typeof model.vocab !== "object" || model.vocab === null || !Array.isArray(model.merges))
    refuse(path, "is not a byte-level BPE tokenizer with vocab and merges");
  if (tokenizer.added_tokens !== undefined && !Array.isArray(tokenizer.added_tokens))
    refuse(path, "added_tokens is no list");
  const split = /"Regex":("(?:[^"\\]|\\.)*")/.exec(written(tokenizer.pre_tokenizer ?? null));
  if (split?.[1] === undefined || JSON.parse(split[1]) !== qwen2Split)
    refuse(path, "splits text in another way than Qwen2's tokenizer, which is the only one supported");
  return tokenizer;
}

/** A merge is "a b" in older files and ["a", "b"] in newer ones. */
function mergeText(merge: unknown, path: string): string {
  const parts = typeof merge === "string" ? merge.split(" ") : merge;
  if (
    Array.isArray(parts) &&
    parts.length === 2 &&
    parts.every((part) => typeof part === "string" && /^[^ ]+$/.test(part))
  )
    return parts.join(" ");
  refuse(path, `has the merge ${written(merge).slice(0, 60)}, expected two tokens`);
}

/** JSON of a value, or nothing where it is nested too deeply. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return "";
  }
}

function refuse(path: string, what: string): never {
  throw new ModelFileError(`${path}: ${what}.`);
}
