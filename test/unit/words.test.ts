import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A word that the glossary of ARCHITECTURE.md has replaced. `in` and `but` are pathspecs of git; `but` may still use it. */
interface Retired {
  word: RegExp;
  use: string;
  in: string[];
  but?: string[];
}

const native = ["native/*", "test/native/*", "test/fuzz/*", "tools/bench/kernels.cpp"];
const code = [...native, "src/*", "test/*.ts", "tools/*"];
const documents = ["*.md"];

const retired: Retired[] = [
  // Sizes of a model: Hugging Face's names (GGUF keys and config.json's own fields keep theirs).
  { word: /\bhyper_blocks\b|\bhyperBlocks\b/, use: "hyper_layers, hyperLayers", in: [...code, ...documents] },
  { word: /\bblockCount\b/, use: "numLayers", in: code },
  { word: /\bfeedForward\b|\bfeed_forward\b(?!_length)/, use: "intermediateSize, intermediate_size", in: code },
  { word: /(?:[.>]|int32_t |int64_t )mlp\b/, use: "intermediate_size", in: native },
  { word: /(?:[.>]|int32_t |int64_t )hidden\b/, use: "hidden_size", in: native },
  { word: /(?:\.|^ *)hidden(?::|\b(?= [?=]))/, use: "hiddenSize, or hidden_size in JSON", in: ["src/*"] },
  {
    word: /(?:[.>]|int32_t )(?:kv_heads|heads)\b/,
    use: "num_kv_heads, num_heads",
    in: ["native/model/config.*", "native/addon/*"],
  },
  { word: /\bkvHeads\b/, use: "numKvHeads", in: code },
  { word: /(?<!num_)\bkv_heads\b/, use: "num_kv_heads", in: ["src/*"] },
  { word: /\bimage_size\b/, use: "crop_size", in: native, but: ["native/model/config.cpp", "test/native/*"] },
  { word: /\b(?:tokens|T)\(\) const\b/, use: "crop_tokens()", in: ["native/model/config.h"] },
  { word: /[.>]vocab\b|int32_t vocab\b/, use: "vocab_size", in: native },
  { word: /\brope_base\b|\bropeBase\b/, use: "rope_theta, ropeTheta", in: ["native/*", "src/*"] },

  // Pictures in the text.
  { word: /\bslotText\b|\bslotIds\b/, use: "placeholder", in: code },
  { word: /\bPromptTools\b|\bdetokenizer\b/, use: "tokenizer", in: code },

  // Kernels: the field's words.
  { word: /\bsoften/, use: "softmax", in: code },
  {
    word: /\bturned\b(?! (?:out|round|into|off|on|away)\b)/,
    use: "transposed or rotated",
    in: [...native, "src/*", "MODEL.md"],
  },
  { word: /\b[Cc]arve/, use: "partition, or the arena's name", in: code },
  { word: /\bsift\b/, use: "sift_down", in: native },
  {
    word: /\bvector_(?:kernels|body|isa|scalar|avx2|avx512|neon|amx)\b|\bvector\/(?:avx2|avx512|neon)\.h/,
    use: "gemv",
    in: native,
  },
  {
    word: /\blinear_(?:kernels|body|isa|table|unpack|int16|scalar|avx2|avx512|avx512bf16|neon|amx)\b/,
    use: "gemm",
    in: [...native, ...documents],
    but: ["docs/speed/*"],
  },
  { word: /[.>](?:few|many)\b|\b(?:few|many) = /, use: "gemv, gemm", in: ["native/cpu/*"] },
  {
    word: /\b(?:top|total)(?:\d*)? (?:=|\+=|\*=)|[.>](?:top|total)\b/,
    use: "row_max, row_sum",
    in: ["native/cpu/attention*"],
  },
  { word: /\bconstexpr bool whole\b/, use: "is_q8_0", in: ["native/cpu/*"] },
  { word: /\brun_(?:hyper|vision)\b|\bKernels::hyper\b/, use: "attention, vision_attention", in: native },
  { word: /\bbool exact\b|[.>]exact\b(?!\()/, use: "Accuracy", in: ["native/ops/*", "native/cpu/*", "native/model/*"] },
  { word: /\bclass (?:Scratch|Layout)\b/, use: "Workspace, ActivationBuffer, Arena, RecordLayout", in: ["native/*"] },

  // Speculative decoding and sessions.
  { word: /\bjudge\b/, use: "accept", in: code },
  { word: /[.>]keep\(/, use: "accept(n)", in: ["native/model/*", "native/addon/*", "test/native/*"] },
  { word: /\btell\(/, use: "report(", in: code },

  // One way to name a limit: max_rows and maxRows; and one style of constants in each language.
  { word: /\b(?:largest|longest|widest|most|least(?!_squares))_[a-z]\w*/, use: "max_, min_", in: code },
  { word: /\b(?:largest|longest|widest|most|least)(?!First\b)[A-Z]\w*/, use: "max, min", in: code },
  { word: /\bk[A-Z][a-z]\w*\b/, use: "snake_case (max_rows, not kMaxRows)", in: native },
  { word: /\bconst [A-Z][A-Z0-9]*_[A-Z0-9_]*\b/, use: "camelCase", in: ["src/*", "test/*.ts", "tools/*.mjs"] },

  // A library has no command line: the CLI composes the advice.
  { word: /--ctx\b/, use: "a typed error with the numbers", in: ["src/*"], but: ["src/cli/*"] },

  // Sentences. A comment has a subject and a verb.
  {
    word: /^\s*(?:\/\/\/?<?|\/\*\*|\*|#) (?:Of|Such|So many|So much|What) (?![^.?!]*\?)/,
    use: "a sentence with a subject and a verb",
    in: code,
  },
  { word: /\/\/\/<? (?:of|such|so many|what) /, use: "a noun or a sentence", in: native },
  { word: /\bargues? for (?:itself|themselves)\b/, use: "needs a stated reason", in: documents },
  { word: /\bpiles? of\b/, use: "image collections", in: [...documents, "src/*", "package.json"] },
  { word: /\bsitting\b/, use: "session", in: documents, but: ["docs/speed/*"] },
  {
    word: /\bsends .* nowhere\b|\bmakes no sense\b|\bis no path on this machine\b/,
    use: "the review's words",
    in: ["src/*"],
  },
];

function files(specs: string[], but: string[] = []): string[] {
  const pathspecs = [...specs, ...but.map((spec) => `:(exclude)${spec}`), ":(exclude)test/fixtures"];
  const listed = execFileSync("git", ["ls-files", "--", ...pathspecs], { cwd: root, encoding: "utf8" });
  return listed.split("\n").filter((file) => /\.(ts|mjs|js|h|cpp|inc|py|md|json)$/.test(file));
}

const lines = new Map<string, string[]>();
function linesOf(file: string): string[] {
  const known = lines.get(file) ?? readFileSync(path.join(root, file), "utf8").split("\n");
  lines.set(file, known);
  return known;
}

for (const { word, use, in: specs, but = [] } of retired)
  test(`${word.source}: use ${use}`, () => {
    const found = files(specs, [...but, "test/unit/words.test.ts"]).flatMap((file) =>
      linesOf(file).flatMap((line, i) => (word.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });
