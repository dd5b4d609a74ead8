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
const [{ generate }, { PromptLookup }, { greedySampling }, { native, nativeCall }] = await Promise.all(
  ["decode/generate.js", "decode/draft.js", "decode/sampling.js", "native/native.js"].map(dist),
);

const known = new Map();
/** One id for every different word or mark. */
function idsOf(file) {
  const words = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8").match(/\w+|[^\s\w]/g);
  return words.map((word) => known.get(word) ?? known.set(word, 1000 + known.size).get(word));
}
const prompt = idsOf("MODEL.md").slice(0, 512);
const answers = { repeats: prompt.slice(100, 100 + tokens), differs: idsOf("README.md").slice(0, tokens) };

/** The session, whose draws become the ids of `answer`. */
function scripted(session, sequence, answer) {
  let at = 0;
  const token = (id) => ({ id, logprob: 0, top: [] });
  return {
    sample: async (_, sampler) => {
      await session.sample(sequence, sampler);
      return token(answer[at++]);
    },
    step: (...args) => session.step(...args),
    speculate: async (_, ids) => {
      const length = session.length(sequence);
      await session.verify(sequence, ids);
      let right = 0;
      while (right < ids.length - 1 && ids[right + 1] === answer[at + right]) right++;
      session.truncate(sequence, length + 1 + right);
      at += right + 1;
      return answer.slice(at - right - 1, at).map(token);
    },
  };
}

async function seconds(model, answer, drafted) {
  const session = model.createSession({ contextLength: 1024, kvType: model.defaultKvType, prefillChunk: 512 });
  const sampler = native().createSampler(greedySampling);
  try {
    const sequence = session.create();
    await nativeCall(session.prefill(sequence, Int32Array.from(prompt), []));
    const started = performance.now();
    const options = {
      session: scripted(session, sequence, answer),
      sequence,
      sampler,
      detokenizer: { stream: () => ({ push: () => "x", end: () => "" }), text: () => "x" },
      eosIds: new Set(),
      maxTokens: answer.length,
      stop: [],
      drafter: drafted ? new PromptLookup(prompt, new Set()) : undefined,
    };
    for await (const _ of generate(options));
    return (performance.now() - started) / 1000;
  } finally {
    session.dispose();
  }
}

const folder = mkdtempSync(path.join(tmpdir(), "owl3-bench-draft-"));
try {
  const file = flags.model ?? path.join(folder, "random.gguf");
  if (!flags.model) await (await dist("bench/random-model.js")).writeRandomModel(file, flags.shape, flags.type);
  const model = await nativeCall(native().openModel(file, { threads: 0, precision: "auto" }));
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
