// Measures what `--draft lookup` gains: node tools/bench/draft.mjs [--model FILE.gguf | --shape 2b --type q4_k_m] [--tokens 96] [--rounds 3] [--json]
// Passes and loop (decode/generate.ts, decode/draft.ts) are the real ones, with and without the drafter in turns; only the answer is not the
// model's own, since random weights say nothing sensible: every draw is made and then replaced by the next id of a given text.
// `repeats`: the answer is a passage of the prompt, word for word. `differs`: prompt and answer are two documents of this repository that
// share nothing but the language and the subject. There is no tokenizer, so every word or mark is one id. Build first (npm run build).
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    shape: { type: "string", default: "2b" },
    type: { type: "string", default: "q4_k_m" },
    tokens: { type: "string", default: "96" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const tokens = Number(flags.tokens);
const dist = (name) => import(new URL(`../../dist/${name}`, import.meta.url).href);
const [
  { generate },
  { PromptLookup },
  { greedySampling },
  { Scheduler },
  { Admission },
  { native, nativeCall },
  { Turns },
] = await Promise.all(
  ["decode/generate.js", "decode/draft.js", "decode/sampling.js", "decode/scheduler.js"]
    .concat("decode/admission.js", "native/native.js", "native/turns.js")
    .map(dist),
);

const known = new Map();
/** One id for every different word or mark. */
function idsOf(file) {
  const words = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8").match(/\w+|[^\s\w]/g);
  return words.map((word) => known.get(word) ?? known.set(word, 1000 + known.size).get(word));
}
const prompt = idsOf("MODEL.md").slice(0, 512);
const answers = { repeats: prompt.slice(100, 100 + tokens), differs: idsOf("README.md").slice(0, tokens) };

/**
 * A session whose draws are replaced by the ids of `answer`. Guesses that only the script accepts are not on the native sequence, which is thus a
 * little shorter than it would be.
 */
function scripted(session, answer) {
  let at = 0;
  const advance = async (parts) => {
    const [result] = await session.advance(parts);
    const [{ ids, sampler, drafted = 0 }] = parts;
    if (!sampler) return [result];
    const guesses = ids.slice(ids.length - drafted);
    let right = 0;
    while (right < guesses.length && guesses[right] === answer[at + right]) right++;
    const drawn = answer.slice(at, at + right + 1).map((id) => ({ id, logprob: 0, top: [] }));
    at += right + 1;
    return [{ ...result, drawn }];
  };
  return { advance, create: () => session.create(), dispose: () => session.dispose() };
}

async function seconds(model, answer, drafted) {
  const scheduler = new Scheduler({
    model: {
      config: model.config,
      kvBytes: (kvType) => model.kvBytes(kvType),
      createSession: (options) => scripted(model.createSession(options), answer),
    },
    ...{ kvType: model.defaultKvType, turns: new Turns(), admission: new Admission(() => 1e10) },
  });
  const sampler = native().createSampler(greedySampling);
  try {
    const sequence = await scheduler.open({ ids: prompt, crops: [] }, 0);
    const { drawn: first } = await sequence.next({ sampler });
    const started = performance.now();
    const options = {
      ...{ sequence, first, sampler },
      tokenizer: { stream: () => ({ push: () => "x", end: () => "" }), text: () => "x" },
      eosIds: new Set(),
      maxTokens: answer.length,
      stop: [],
      drafter: drafted ? new PromptLookup(sequence.ids, new Set()) : undefined,
    };
    for await (const _ of generate(options));
    return (performance.now() - started) / 1000;
  } finally {
    scheduler.dispose();
  }
}

const folder = mkdtempSync(path.join(tmpdir(), "owl3-bench-draft-"));
try {
  const file = flags.model ?? path.join(folder, "random.gguf");
  if (!flags.model) await (await dist("bench/random-model.js")).writeRandomModel(file, flags.shape, flags.type);
  const model = await nativeCall(() => native().openModel(file, { threads: 0, precision: "auto" }));
  const result = {};
  for (const [name, answer] of Object.entries(answers)) {
    const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const drafted of [0, 1])
        best[drafted] = Math.min(best[drafted], await seconds(model, answer, drafted === 1));
    }
    const [without, drafted] = best.map((s) => answer.length / s);
    result[name] = { without, drafted, ratio: drafted / without };
    if (!flags.json)
      console.log(
        `${name}: ${without.toFixed(1)} tok/s, drafted ${drafted.toFixed(1)}: ${result[name].ratio.toFixed(2)} x`,
      );
  }
  if (flags.json) console.log(JSON.stringify(result));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
