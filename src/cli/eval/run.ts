import path from "node:path";
import { Owl } from "../../chat/owl.js";
import { UsageError } from "../../errors.js";
import { readData } from "../../eval/data.js";
import { findFormat, readQuestions } from "../../eval/formats/index.js";
import { MediaRoot } from "../../eval/media.js";
import type { Data, Format, Question } from "../../eval/question.js";
import { Results, type RunHeader } from "../../eval/results.js";
import { askQuestions, outcomesOf } from "../../eval/run.js";
import { selectQuestions } from "../../eval/select.js";
import { summarise } from "../../eval/summary.js";
import { restrictLoaders } from "../../media/image.js";
import { resolveModel } from "../../models/resolve.js";
import { fingerprint } from "../../rows/fingerprint.js";
import { createOutput } from "../output.js";
import { RowWatch } from "../row-watch.js";
import type { EvalFlags } from "./flags.js";
import { summaryJson, summaryLines } from "./view.js";

/** Frames of a video where the format names none. */
const defaultFrames = 16;

/** Scores a model on a benchmark: asks what has no result yet, then sums up all results. */
export async function runEval(files: string[], flags: EvalFlags): Promise<void> {
  const out = createOutput(flags);
  const format = findFormat(flags.format);
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  restrictLoaders();
  const data: Data[] = [];
  for (const file of files) data.push(await readData(file));
  const { limit, shuffle: seed } = flags;
  const questions = selectQuestions(await readQuestions(format, data), { limit, seed });
  if (flags.score === "logprob" && questions.every(({ candidates }) => !candidates))
    throw new UsageError(
      `The questions of ${format.name} are open; there are no options to compare by log-probability.`,
    );

  const first = data[0] as Data;
  const media = await MediaRoot.open(flags.mediaRoot ?? path.dirname(first.path));
  const target = flags.out ?? `${first.name}.eval.jsonl`;
  const results = await Results.open(target, await header(model, format, data, flags));
  const before = questions.filter(({ id }) => results.done.has(id)).length;
  if (before > 0) out.note(`${before} of ${questions.length} questions have results in ${target}.`);
  const watch = new RowWatch(out, {
    ...{ total: questions.length, before, maxErrors: flags.maxErrors },
    later: `The results so far are in ${target}; the same command goes on with it.`,
  });
  try {
    if (before < questions.length) await ask(questions, { format, model, media, results, watch, flags });
    watch.stop();
    if (!watch.interrupted) {
      const summary = summarise(format, outcomesOf(questions, results), questions.length, watch.failures.length);
      if (flags.json) out.json(summaryJson(summary, { model, score: flags.score, results: target }));
      else for (const line of summaryLines(format, summary)) out.line(line);
    }
  } finally {
    watch.stop();
    await results.close();
  }
  watch.conclude(questions.length);
}

interface Work {
  format: Format;
  model: string;
  media: MediaRoot;
  results: Results;
  watch: RowWatch;
  flags: EvalFlags;
}

/** Asks what has no result yet. */
async function ask(questions: Question[], { format, model, media, results, watch, flags }: Work): Promise<void> {
  const { device, precision, threads = 0, cache, kvType, decoder, score, maxTokens, concurrency } = flags;
  await using owl = await Owl.open(model, { device, precision, threads, cache });
  watch.progress.begin();
  await askQuestions(questions, {
    ...{ owl, media, results, score, maxTokens, concurrency, kvType, decoder },
    frames: framesOf(format, flags),
    signal: watch.signal,
    onResult: ({ id, error }) => watch.row(id, error),
  });
}

const framesOf = (format: Format, flags: EvalFlags): number => flags.frames ?? format.frames ?? defaultFrames;

/** Describes a run: a later one goes on with its results only if all of this is the same. */
async function header(model: string, format: Format, data: readonly Data[], flags: EvalFlags): Promise<RunHeader> {
  return {
    owl3_eval: 1,
    format: format.name,
    model: await fingerprint(model),
    data: data.map(({ path: file, bytes, sha256 }) => ({ name: path.basename(file), bytes, sha256 })),
    settings: {
      score: flags.score,
      frames: framesOf(format, flags),
      max_tokens: flags.maxTokens,
      precision: flags.precision,
      kv_type: flags.kvType ?? "default",
    },
  };
}
