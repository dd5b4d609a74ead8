import { ModelFileError, UsageError } from "../errors.js";
import { Bpe, splitWords } from "./bpe.js";
import { byteChars, bytesOf } from "./bytes.js";
import { TextStream } from "./stream.js";
import type { Segment } from "./template.js";

/** Maximum length of a text in UTF-16 units: far more than fits any context, and short enough for the pre-tokenizer's backtracking. */
const maxText = 4_000_000;
const maxTokens = 1_000_000;
const markers = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"] as const;

/** Values of `tokenizer.ggml.token_type`. */
const kind = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

/** Converts text to ids and back by Qwen2's byte-level BPE, with the vocabulary and merges of a GGUF file. */
export class Tokenizer {
  /** Ids at which an answer ends. */
  readonly stopIds: readonly number[];
  readonly imEnd: number;
  readonly size: number;
  readonly #bpe: Bpe;
  readonly #added = new Map<string, number>();
  readonly #addedPattern: RegExp;
  readonly #utf8 = new TextEncoder();

  readonly #tokens: readonly string[];
  readonly #types: readonly number[];

  private constructor(tokens: readonly string[], types: readonly number[], merges: readonly string[], name: string) {
    this.#tokens = tokens;
    this.#types = types;
    const vocab = new Map<string, number>();
    for (let id = 0; id < tokens.length; id++) {
      const token = tokens[id] as string;
      const type = types[id] ?? kind.normal;
      if (type === kind.unused || token === "") continue;
      if (type === kind.control || type === kind.userDefined) this.#added.set(token, id);
      else vocab.set(token, id);
    }
    const missing = byteChars.findIndex((char) => !vocab.has(char));
    if (missing >= 0) throw new ModelFileError(`${name}: the tokenizer's vocabulary lacks a token for byte ${missing}`);
    const ranks = new Map<string, number>();
    for (let i = 0; i < merges.length; i++) {
      const merge = merges[i] as string;
      if (merge.indexOf(" ") <= 0) throw new ModelFileError(`${name}: merge ${i} of the tokenizer is not two tokens`);
      if (!ranks.has(merge)) ranks.set(merge, i);
    }
    const [, imEnd, endOfText] = markers.map((marker) => {
      const id = this.#added.get(marker);
      if (id === undefined) throw new ModelFileError(`${name}: the tokenizer has no special token ${marker}`);
      return id;
    }) as [number, number, number];
    this.imEnd = imEnd;
    this.stopIds = [imEnd, endOfText];
    this.size = tokens.length;
    this.#bpe = new Bpe(vocab, ranks);
    const longestFirst = [...this.#added.keys()].sort((a, b) => b.length - a.length);
    this.#addedPattern = new RegExp(longestFirst.map((t) => t.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|"), "g");
  }

  /** Makes a tokenizer from a GGUF file's metadata, which is not trusted. `name` is the name of the file in errors. Throws ModelFileError. */
  static fromMetadata(metadata: Readonly<Record<string, unknown>>, name: string): Tokenizer {
    const bad = (key: string, wanted: string) => new ModelFileError(`${name}: tokenizer.ggml.${key} must be ${wanted}`);
    const list = <T>(key: string, type: "string" | "number", wanted: string): T[] => {
      const value = metadata[`tokenizer.ggml.${key}`];
      if (!Array.isArray(value) || value.length > maxTokens || value.some((x) => typeof x !== type))
        throw bad(key, wanted);
      return value as T[];
    };
    if (metadata["tokenizer.ggml.model"] !== "gpt2") throw bad("model", '"gpt2" (byte-level BPE)');
    if (metadata["tokenizer.ggml.pre"] !== "qwen2") throw bad("pre", '"qwen2"');
    const tokens = list<string>("tokens", "string", "a list of at most a million strings");
    const types = list<number>("token_type", "number", "a list of numbers");
    if (types.length !== tokens.length) throw bad("token_type", `as long as the vocabulary (${tokens.length})`);
    const merges = list<string>("merges", "string", "a list of at most a million strings");
    return new Tokenizer(tokens, types, merges, name);
  }

  /** Tokenizes segments as one text. Special tokens are recognised only inside runs of special segments. */
  encode(segments: readonly Segment[]): number[] {
    const ids: number[] = [];
    let plain = "";
    const flush = () => {
      if (plain.length > maxText) throw new UsageError(`a text is longer than ${maxText} characters`);
      for (const word of splitWords(plain.normalize("NFC"))) for (const id of this.#bpe.encodeWord(word)) ids.push(id);
      plain = "";
    };
    for (const { text, special } of joined(segments)) {
      let from = 0;
      if (special)
        for (const match of text.matchAll(this.#addedPattern)) {
          plain += text.slice(from, match.index);
          flush();
          ids.push(this.#added.get(match[0]) as number);
          from = match.index + match[0].length;
        }
      plain += text.slice(from);
    }
    flush();
    return ids;
  }

  /** Tokenizes plain text: nothing in it is special. */
  encodeText(text: string): number[] {
    return this.encode([{ text, special: false }]);
  }

  isSpecial(id: number): boolean {
    return this.#types[id] === kind.control;
  }

  /** The UTF-8 bytes of a token; none for an id without a token (embedding rows may be unused). */
  bytes(id: number): Uint8Array {
    const token = this.#tokens[id];
    if (token === undefined || this.#types[id] === kind.unused) return new Uint8Array(0);
    const plain = this.#added.has(token) ? undefined : bytesOf(token);
    return plain ?? this.#utf8.encode(token);
  }

  /** The bytes of all tokens one after another, and where those of each id begin. Special, added and unused tokens have none. */
  tokenBytes(): { bytes: Uint8Array; starts: Int32Array } {
    const starts = new Int32Array(this.size + 1);
    const parts: Uint8Array[] = [];
    for (let id = 0; id < this.size; id++) {
      const plain = this.#types[id] === kind.normal ? this.bytes(id) : new Uint8Array(0);
      parts.push(plain);
      starts[id + 1] = (starts[id] as number) + plain.length;
    }
    return { bytes: Buffer.concat(parts), starts };
  }

  /** The text of ids, without special tokens unless `special` is set. Bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[], special = false): string {
    const stream = this.stream(special);
    return ids.map((id) => stream.push(id)).join("") + stream.end();
  }

  /** Starts a stream that turns ids into text one by one. */
  stream(special = false): TextStream {
    return new TextStream((id) => (!special && this.isSpecial(id) ? new Uint8Array(0) : this.bytes(id)));
  }

  /** The readable text of one token: ill-formed UTF-8 becomes U+FFFD. */
  tokenText(id: number): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes(id));
  }
}

/** Merges adjacent segments of the same kind. */
function joined(segments: readonly Segment[]): Segment[] {
  const out: Segment[] = [];
  for (const { text, special } of segments) {
    const last = out.at(-1);
    if (last?.special === special) last.text += text;
    else out.push({ text, special });
  }
  return out;
}
