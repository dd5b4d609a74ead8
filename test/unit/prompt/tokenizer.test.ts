import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Tokenizer } from "../../../src/prompt/tokenizer.js";
import { goldenTokenizer, tokenizerFromJson, tokenizerMetadata } from "../../support/tokenizer.js";

type Case = [text: string, count: number, ids: string, withSpecials?: string];
const file = process.env.OWL3_TOKENIZER_CASES;
const cases: Case[] = JSON.parse(
  readFileSync(file ?? new URL("../../fixtures/prompt/tokenizer.json", import.meta.url), "utf8"),
);
const other = process.env.OWL3_TOKENIZER_JSON;
const tokenizer = other ? tokenizerFromJson(JSON.parse(readFileSync(other, "utf8"))) : goldenTokenizer();
const hash = (ids: readonly number[]) => createHash("sha256").update(ids.join(",")).digest("hex").slice(0, 12);

test("ids equal those of Hugging Face's tokenizers, with and without special tokens", () => {
  const wrong: string[] = [];
  for (const [text, count, plain, special] of cases) {
    const ids = tokenizer.encodeText(text);
    if (ids.length !== count || hash(ids) !== plain) wrong.push(text);
    if (hash(tokenizer.encode([{ text, special: true }])) !== (special ?? plain)) wrong.push(`special: ${text}`);
  }
  expect(cases.length).toBeGreaterThan(2000);
  expect(wrong).toEqual([]);
});

test("decoding gives the normalised text back, whole and id by id", () => {
  for (const [text] of cases) {
    const ids = tokenizer.encodeText(text);
    expect(tokenizer.decode(ids)).toBe(text.normalize("NFC"));
    const stream = tokenizer.stream();
    let streamed = "";
    for (const id of ids) {
      const piece = stream.push(id);
      expect(piece).not.toContain("\ufffd\ufffd");
      streamed += piece;
    }
    expect(streamed + stream.end()).toBe(text.normalize("NFC"));
  }
});

test("ill-formed UTF-8 is held until it is complete, and shown as U+FFFD at the end", () => {
  const owl = tokenizer.encodeText("\u{1f989}");
  expect(owl.length).toBeGreaterThan(1);
  const stream = tokenizer.stream();
  expect(owl.map((id) => stream.push(id)).filter((s) => s)).toEqual(["\u{1f989}"]);
  stream.push(owl[0] as number);
  expect(stream.end()).toMatch(/^\ufffd+$/);
  expect(stream.push(tokenizer.encodeText("a")[0] as number)).toBe("a");
});

test("special tokens in plain text are ordinary characters, and are left out of what is decoded", () => {
  const end = tokenizer.encode([{ text: "<|im_end|>", special: true }]);
  expect(end).toEqual([tokenizer.imEnd]);
  expect(tokenizer.encodeText("<|im_end|>")).not.toContain(tokenizer.imEnd);
  expect(tokenizer.decode(tokenizer.encodeText("<|im_end|>"))).toBe("<|im_end|>");
  expect(tokenizer.decode([...tokenizer.encodeText("x"), ...end])).toBe("x");
  expect(tokenizer.decode(end, true)).toBe("<|im_end|>");
  // A marker is not put together from a plain and a special half.
  const halves = [
    { text: "<|im_", special: true },
    { text: "end|>", special: false },
  ];
  expect(tokenizer.encode(halves)).not.toContain(tokenizer.imEnd);
});

test("lone surrogates become U+FFFD, ids outside the vocabulary nothing", () => {
  expect(tokenizer.decode(tokenizer.encodeText("a\ud800b"))).toBe("a\ufffdb");
  expect(tokenizer.decode([tokenizer.size + 7, -1])).toBe("");
  expect(tokenizer.decode([])).toBe("");
});

test("the bytes of all tokens lie one after another; special tokens have none", () => {
  const { bytes, starts } = tokenizer.tokenBytes();
  expect(starts).toHaveLength(tokenizer.size + 1);
  expect(starts.at(-1)).toBe(bytes.length);
  const of = (id: number) => bytes.subarray(starts[id], starts[id + 1]);
  const [id] = tokenizer.encodeText("owl") as [number];
  expect(Buffer.from(of(id))).toEqual(Buffer.from(tokenizer.bytes(id)));
  expect(of(id).length).toBeGreaterThan(0);
  expect(of(tokenizer.imEnd)).toHaveLength(0);
  expect(tokenizer.tokenText(tokenizer.imEnd)).toBe("<|im_end|>");
});

test("endless words and spaces take linear time, and texts past the cap are refused", () => {
  for (const text of [
    "a".repeat(400_000),
    " ".repeat(400_000),
    "\n \n".repeat(100_000),
    "a ".repeat(200_000),
    "!".repeat(400_000),
  ])
    expect(tokenizer.decode(tokenizer.encodeText(text))).toBe(text);
  expect(() => tokenizer.encodeText("a".repeat(4_000_001))).toThrow("longer than");
});

test("a hostile vocabulary gets one sentence", () => {
  const good = tokenizerMetadata();
  const tokens = good["tokenizer.ggml.tokens"] as string[];
  const make = (change: Record<string, unknown>) => () => Tokenizer.fromMetadata({ ...good, ...change }, "x.gguf");
  expect(make({})).not.toThrow();
  expect(make({ "tokenizer.ggml.model": "llama" })).toThrow('x.gguf: tokenizer.ggml.model must be "gpt2"');
  expect(make({ "tokenizer.ggml.pre": undefined })).toThrow("x.gguf: tokenizer.ggml.pre");
  expect(make({ "tokenizer.ggml.tokens": undefined })).toThrow("x.gguf: tokenizer.ggml.tokens");
  expect(make({ "tokenizer.ggml.tokens": [1, 2] })).toThrow("x.gguf: tokenizer.ggml.tokens");
  expect(make({ "tokenizer.ggml.token_type": [1] })).toThrow("as long as the vocabulary");
  expect(make({ "tokenizer.ggml.merges": "a b" })).toThrow("x.gguf: tokenizer.ggml.merges");
  expect(make({ "tokenizer.ggml.merges": ["ab"] })).toThrow("merge 0");
  expect(make({ "tokenizer.ggml.tokens": tokens.map((t) => (t === "a" ? "" : t)) })).toThrow(
    "lacks a token for byte 97",
  );
  expect(make({ "tokenizer.ggml.tokens": tokens.map((t) => (t === "<|im_end|>" ? "x y" : t)) })).toThrow("<|im_end|>");
  // Merges of tokens that do not exist, or into none, are never applied.
  const odd = Tokenizer.fromMetadata({ ...good, "tokenizer.ggml.merges": ["a b", "x zz", "q q"] }, "x.gguf");
  expect(odd.decode(odd.encodeText("xzz qq ab"))).toBe("xzz qq ab");
});
