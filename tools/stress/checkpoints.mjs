#!/usr/bin/env node
/**
 * Mutates the files of checkpoints and converts them: node tools/stress/checkpoints.mjs [--count N] [--seed N] [--minutes N] [--whole N]. Build first
 * (npm run build).
 *
 * config.json and tokenizer.json go through their readers in every case; in one of --whole cases (default 200) the whole folder is converted, its
 * safetensors and index damaged, too. Each must be refused with a sentence, or give a tokenizer that spells what it reads, or a file that opens; nothing
 * else may be left in the folder. The last line is "N passed, N failed".
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseConfig } from "../../dist/convert/config.js";
import { convertCheckpoint } from "../../dist/convert/convert.js";
import { kindOfTensors } from "../../dist/convert/kind.js";
import { tensorLayout } from "../../dist/convert/layout.js";
import { tokenizerEntries } from "../../dist/convert/tokenizer.js";
import { UserError } from "../../dist/errors.js";
import { describeFile } from "../../dist/gguf/describe.js";
import { native } from "../../dist/native/native.js";
import { Tokenizer } from "../../dist/prompt/tokenizer.js";
import { caseOptions, demand, mutateBytes, mutateJson, runCases, strange, survive } from "./cases.mjs";
import { fixtures, temporaryFolder } from "./places.mjs";

const options = caseOptions(50_000, { whole: { type: "string", default: "200" } });
const base = temporaryFolder("checkpoints");
const folders = [
  "golden/model",
  "random/gated-head/model",
  "random/gated-channel/model",
  "random/late-hyper/model",
].map((name) => path.join(fixtures, name));
const text = (folder, name) => readFileSync(path.join(folder, name), "utf8");
const configs = folders.map((folder) => text(folder, "config.json"));

/** A tokenizer.json as small as can be: the bytes, a few merges, the markers. */
const small = (() => {
  const whole = JSON.parse(text(folders[0], "tokenizer.json"));
  const vocab = Object.entries(whole.model.vocab).filter(([, id]) => id < 300);
  const known = new Set(vocab.map(([token]) => token));
  const merges = whole.model.merges.filter((merge) =>
    known.has((typeof merge === "string" ? merge.split(" ") : merge).join("")),
  );
  const added = whole.added_tokens.map((token, i) => ({ ...token, id: 300 + i }));
  return JSON.stringify({
    ...whole,
    added_tokens: added,
    model: { ...whole.model, vocab: Object.fromEntries(vocab), merges },
  });
})();
const values = [
  ...strange,
  299,
  300,
  303,
  304,
  "<|im_end|>",
  "\u0120",
  "mplugowl3",
  "silu",
  2 ** 24,
  { a: 1e6 },
  "a b",
  ["a", "b"],
  [1, 2, 3],
];

const mutated = (draw, json) => JSON.parse(mutateJson(draw, JSON.parse(json), values, false));

async function config(draw) {
  const parsed = await survive(UserError, () => parseConfig(mutated(draw, draw.pick(configs)), "config.json"));
  if (parsed === undefined || parsed.numLayers * parsed.vision.numLayers > 1e5) return;
  const layout = tensorLayout(parsed, draw.pick(["fused", "gated_head", "gated_channel"]), draw.oneIn(2));
  for (const { name, shape } of layout)
    demand(
      shape.length > 0 && shape.every((n) => Number.isSafeInteger(n) && n > 0),
      () => `${name} has the shape ${shape} by ${JSON.stringify(parsed)}`,
    );
  await survive(UserError, () =>
    kindOfTensors(
      draw.list(40, () => draw.pick(layout).source),
      "it",
    ),
  );
}

async function tokenizer(draw) {
  const json = mutated(draw, small);
  const rows = draw.pick([303, 304, 320, 300, 1]);
  const entries = await survive(UserError, () => tokenizerEntries(json, "tokenizer.json", rows, () => {}));
  if (entries === undefined) return;
  const metadata = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  const made = await survive(UserError, () => Tokenizer.fromMetadata(metadata, "it"), /\S$/);
  if (made === undefined) return;
  const given = draw
    .list(12, () => draw.pick(["the owl", " ", "\n", "<|im_end|>", "\u{1f989}", "'s", "12", "e\u0301"]))
    .join("");
  const ids = made.encodeText(given);
  demand(
    ids.every((id) => Number.isInteger(id) && id >= 0 && id < rows),
    () => `ids ${ids} of ${JSON.stringify(given)}`,
  );
  demand(
    made.decode(ids, true) === given.normalize("NFC"),
    () => `${JSON.stringify(given)} is spelt ${JSON.stringify(made.decode(ids, true))}`,
  );
}

/** Damages a JSON file, the header of a safetensors file, or its bytes. */
function damage(draw, file) {
  if (file.endsWith(".json"))
    return writeFileSync(file, mutateJson(draw, JSON.parse(readFileSync(file, "utf8")), values));
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE());
  if (draw.oneIn(3)) return writeFileSync(file, mutateBytes(draw, bytes));
  const header = Buffer.from(
    mutateJson(draw, JSON.parse(bytes.toString("utf8", 8, end)), [...values, "F32", "BF16", "I8", 2 ** 62]),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(
    draw.oneIn(8) ? draw.pick([0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 100_000_001n]) : BigInt(header.length),
  );
  writeFileSync(file, Buffer.concat([length, header, bytes.subarray(end)]));
}

async function whole(draw) {
  const folder = path.join(base, "model");
  rmSync(folder, { recursive: true, force: true });
  cpSync(draw.pick(folders), folder, { recursive: true });
  const names = readdirSync(folder).sort();
  for (const name of new Set([draw.pick(names), draw.pick(names)])) damage(draw, path.join(folder, name));
  const output = path.join(base, "out.gguf");
  const bytes = await survive(
    UserError,
    () => convertCheckpoint(folder, output, { type: draw.pick(["f16", "q8_0", "q4_k_m"]), threads: 1 }),
    /\S$/,
  );
  const left = readdirSync(base)
    .filter((name) => name !== "model")
    .join();
  demand(left === (bytes === undefined ? "" : "out.gguf"), () => `${left} is left`);
  if (bytes === undefined) return;
  demand(readFileSync(output).length === bytes, "a file of another size");
  describeFile(await native().readGguf(output));
  rmSync(output);
}

await runCases(options, async (draw, number) => {
  await config(draw);
  await tokenizer(draw);
  if (number % Number(options.whole) === 0) await whole(draw);
});
