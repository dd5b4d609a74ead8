import path from "node:path";
import { Owl } from "../../chat/owl.js";
import { RowsError, UsageError } from "../../errors.js";
import { readData } from "../../eval/data.js";
import { fingerprint } from "../../eval/fingerprint.js";
import { findFormat, readQuestions } from "../../eval/formats/index.js";
import { MediaRoot } from "../../eval/media.js";
import type { Data, Format, Question } from "../../eval/question.js";
import { ResultsFile, type RunHeader } from "../../eval/results.js";
import { askQuestions, outcomesOf } from "../../eval/run.js";
import { selectQuestions } from "../../eval/select.js";
import { summarise } from "../../eval/summary.js";
import { restrictLoaders } from "../../media/image.js";
import { resolveModel } from "../../models/resolve.js";
import { onInterrupt } from "../interrupt.js";
import { createOutput, type Output } from "../output.js";
import { RowProgress } from "../row-progress.js";
import type { EvalFlags } from "./flags.js";
import { summaryJson, summaryLines } from "./view.js";

/** Failures that are told as they happen; the results file has all. */
const toldFailures = 5;

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
  const results = ResultsFile.open(target, await header(model, format, data, flags));
  const leave = onInterrupt(() => out.note(`The results so far are in ${target}; the same command goes on with it.`));
  try {
    const failures = await ask(questions, { format, model, media, results, target, flags }, out);
    const summary = summarise(format, outcomesOf(questions, results), questions.length, failures.length);
    if (flags.json) out.json(summaryJson(summary, { model, score: flags.score, results: target }));
    else for (const line of summaryLines(format, summary)) out.line(line);
    if (failures[0] !== undefined) throw new RowsError(failures.length, questions.length, failures[0]);
  } finally {
    leave();
    results.close();
  }
}

interface Work {
  format: Format;
  model: string;
  media: MediaRoot;
  results: ResultsFile;
  target: string;
  flags: EvalFlags;
}

/** Asks what has no result yet; returns why questions failed. */
async function ask(
  questions: Question[],
  { format, model, media, results, target, flags }: Work,
  out: Output,
): Promise<string[]> {
  const before = questions.filter(({ id }) => results.done.has(id)).length;
  if (before > 0) out.note(`${before} of ${questions.length} questions have results in ${target}.`);
  const failures: string[] = [];
  if (before === questions.length) return failures;
  const { device, precision, threads = 0, cache, kvType, decoder, score, maxTokens, concurrency } = flags;
  await using owl = await Owl.open(model, { device, precision, threads, cache });
  const progress = new RowProgress(out, questions.length, before);
  try {
    await askQuestions(questions, {
      ...{ owl, media, results, score, maxTokens, concurrency, kvType, decoder },
      frames: framesOf(format, flags),
      onResult: ({ id, error }) => {
        progress.row(error);
        if (error === undefined) return;
        if (failures.push(error) <= toldFailures) out.warn(`${id}: ${error}`);
      },
    });
  } finally {
    progress.stop();
  }
  return failures;
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
