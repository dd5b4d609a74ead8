#!/usr/bin/env node
// Tokenizes a text: node ids.mjs MODEL.gguf TEXT.txt OUT.json writes the ids of TEXT.txt as a JSON list. It needs a build (npm run build).
import { readFileSync, writeFileSync } from "node:fs";
import { native } from "../../dist/native/native.js";
import { Tokenizer } from "../../dist/prompt/tokenizer.js";

const [model, text, out] = process.argv.slice(2);
const tokenizer = Tokenizer.fromMetadata((await native().readGguf(model)).metadata, model);
const ids = tokenizer.encode([{ text: readFileSync(text, "utf8"), special: false }]);
writeFileSync(out, JSON.stringify(ids));
console.log(`${ids.length} ids`);
