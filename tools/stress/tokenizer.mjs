#!/usr/bin/env node
/**
 * Compares the tokenizer with Hugging Face's: node tools/stress/tokenizer.mjs --python PYTHON [--tokenizer FILE] [--count N] [--seed N] [--minutes N].
 * PYTHON has the package `tokenizers`; FILE is a tokenizer.json of Qwen2's kind, by default one that is trained for this with 20,000 tokens. Build first
 * (npm run build).
 *
 * A case is 100 texts, of words, spaces, marks, markers and any code points. Both must give the same ids with markers as text and as tokens, and the ids must
 * spell the text. The last line is "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { tokenizerEntries } from "../../dist/convert/tokenizer.js";
import { Tokenizer } from "../../dist/prompt/tokenizer.js";
import { caseOptions, demand, runCases } from "./cases.mjs";
import { root, temporaryFolder } from "./places.mjs";

const options = caseOptions(200, { python: { type: "string", default: "python3" }, tokenizer: { type: "string" } });
const base = temporaryFolder("tokenizer");
const file = options.tokenizer ?? path.join(base, "tokenizer.json");
const oracle = spawn(options.python, [path.join(root, "tools/stress/hf_tokenizer.py"), file, root], {
  stdio: ["pipe", "pipe", "inherit"],
});
const lines = createInterface({ input: oracle.stdout })[Symbol.asyncIterator]();
if ((await lines.next()).value !== "ready") throw new Error(`${options.python} has no tokenizers`);

const json = JSON.parse(readFileSync(file, "utf8"));
let rows = 0;
for (const id of [...Object.values(json.model.vocab), ...json.added_tokens.map((token) => token.id)])
  rows = Math.max(rows, id + 1);
const entries = tokenizerEntries(json, "tokenizer.json", rows, () => {});
const tokenizer = Tokenizer.fromMetadata(
  Object.fromEntries(entries.map(({ key, value }) => [key, value])),
  "tokenizer",
);

const words = readFileSync(path.join(root, "ARCHITECTURE.md"), "utf8").split(/\b/);
const pieces = [
  ...[
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_start",
    "|>",
    "'s",
    "'S",
    "'\u017f",
    "'re",
    "'LL",
    "don't",
    "\u2019s",
    "I'm",
  ],
  ...[
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u00a0",
    "\u0085",
    "\u2028",
    "\u3000",
    "\u180e",
    "\u200b",
    "\ufeff",
    "\u001c",
    "\u001f",
    "\n\n ",
    " \n",
  ],
  ...[
    "1",
    "12",
    "\u00bd",
    "\u0661",
    "\u2167",
    "\u3007",
    "e\u0301",
    "\u212b",
    "\u1100\u1161\u11a8",
    "\u0958",
    "\u{1d15e}",
    "\ufb01",
    "\u0345",
  ],
  ...[
    "\u{1f989}",
    "\u{1f468}\u200d\u{1f469}",
    "\u4e2d\u6587",
    "\u0e01\u0e33",
    "\u05e9\u05c1",
    "\uffff",
    "\u{10ffff}",
    "\u0000",
    "!?",
    "...",
    "__",
    "\u00e4",
  ],
];

/**
 * Characters that one side knows and the other doesn't: Node's tables grow with its versions, the oracle parts words by Unicode 16 and puts marks in order by
 * Unicode 9. First the letters and numbers of Unicode 17, then the marks since Unicode 10.
 */
const newer = new RegExp(
  `[${[
    String.raw`\u{88f}\u{c5c}\u{cdc}\u{a7ce}-\u{a7cf}\u{a7d2}\u{a7d4}\u{a7f1}\u{10940}-\u{10959}\u{10ec5}-\u{10ec7}`,
    String.raw`\u{11db0}-\u{11ddb}\u{11de0}-\u{11de9}\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}\u{16ff2}-\u{16ff6}`,
    String.raw`\u{187f8}-\u{187ff}\u{18d09}-\u{18d1e}\u{18d80}-\u{18df2}\u{1e6c0}-\u{1e6de}\u{1e6e0}-\u{1e6e2}`,
    String.raw`\u{1e6e4}-\u{1e6e5}\u{1e6e7}-\u{1e6ed}\u{1e6f0}-\u{1e6f4}\u{1e6fe}-\u{1e6ff}\u{2b73a}-\u{2b73f}`,
    String.raw`\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}`,
    String.raw`\u{7fd}\u{897}-\u{89f}\u{8ca}-\u{8d3}\u{9fe}\u{c3c}\u{d3b}-\u{d3c}\u{eba}\u{1715}\u{1abf}-\u{1add}`,
    String.raw`\u{1ae0}-\u{1aeb}\u{1df6}-\u{1dfa}\u{a82c}\u{10d24}-\u{10d27}\u{10d69}-\u{10d6d}\u{10eab}-\u{10eac}`,
    String.raw`\u{10efa}-\u{10efb}\u{10efd}-\u{10eff}\u{10f46}-\u{10f50}\u{10f82}-\u{10f85}\u{11070}\u{1133b}`,
    String.raw`\u{113ce}-\u{113d0}\u{1145e}\u{11839}-\u{1183a}\u{1193d}-\u{1193e}\u{11943}\u{119e0}\u{11a34}\u{11a47}`,
    String.raw`\u{11a99}\u{11d42}\u{11d44}-\u{11d45}\u{11d97}\u{11f41}-\u{11f42}\u{1612f}\u{16ff0}-\u{16ff1}\u{1e08f}`,
    String.raw`\u{1e130}-\u{1e136}\u{1e2ae}\u{1e2ec}-\u{1e2ef}\u{1e4ec}-\u{1e4ef}\u{1e5ee}-\u{1e5ef}\u{1e6e3}\u{1e6e6}`,
    String.raw`\u{1e6ee}-\u{1e6ef}\u{1e6f5}`,
  ].join("")}]`,
  "gu",
);

function text(draw) {
  return draw
    .list(14, () => {
      if (draw.oneIn(3)) return draw.pick(words);
      if (draw.oneIn(6)) return String.fromCodePoint(draw.below(draw.pick([0x80, 0x3000, 0x10000, 0x110000])));
      return draw.oneIn(40) ? draw.pick(pieces).repeat(draw.below(60)) : draw.pick(pieces);
    })
    .join("")
    .replace(newer, "?")
    .toWellFormed(); // the oracle takes no lone surrogates
}

await runCases(options, async (draw) => {
  const texts = Array.from({ length: 100 }, () => text(draw));
  oracle.stdin.write(`${JSON.stringify(texts)}\n`);
  const wanted = JSON.parse((await lines.next()).value);
  texts.forEach((given, i) => {
    const plain = tokenizer.encodeText(given);
    const special = tokenizer.encode([{ text: given, special: true }]);
    demand(
      plain.join() === wanted.plain[i].join(),
      () => `${JSON.stringify(given)}: ${plain}, and there ${wanted.plain[i]}`,
    );
    demand(
      special.join() === wanted.special[i].join(),
      () => `${JSON.stringify(given)} with markers: ${special}, and there ${wanted.special[i]}`,
    );
    demand(
      tokenizer.decode(plain) === given.normalize("NFC"),
      () => `${JSON.stringify(given)} is spelt ${JSON.stringify(tokenizer.decode(plain))}`,
    );
  });
});
oracle.stdin.end();
