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

function text(draw) {
  return draw
    .list(14, () => {
      if (draw.oneIn(3)) return draw.pick(words);
      if (draw.oneIn(6)) return String.fromCodePoint(draw.below(draw.pick([0x80, 0x3000, 0x10000, 0x110000])));
      return draw.oneIn(40) ? draw.pick(pieces).repeat(draw.below(60)) : draw.pick(pieces);
    })
    .join("")
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
