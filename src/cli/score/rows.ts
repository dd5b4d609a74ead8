import { Inputs } from "../../batch/inputs.js";
import { RowFiles } from "../../batch/media.js";
import { checkMap, type Row, rowFields } from "../../batch/row.js";
import {
  type RowScores,
  type ScoreHeader,
  type ScoreLine,
  scoreLineOf,
  scoreResults,
  scoreRow,
} from "../../batch/score.js";
import { Owl } from "../../chat/owl.js";
import { runRows } from "../../rows/loop.js";
import { ResultsFile } from "../../rows/results.js";
import { settingsOf } from "../../rows/settings.js";
import { shardFile } from "../../rows/shard.js";
import { runHeader } from "../batch/header.js";
import { RowQueue } from "../batch/queue.js";
import { owlOptions } from "../chat/flags.js";
import { ProgressView } from "../chat/view.js";
import { safeJson } from "../filter.js";
import { type Output, tellSkipped } from "../output.js";
import { RowWatch } from "../row-watch.js";
import { freeFlags, type ScoreFlags, scoreOptions } from "./flags.js";
import { csvHead, csvRow } from "./view.js";

export interface RowsTask {
  model: string;
  /** The question of all rows, if they don't bring theirs. */
  prompt: string | undefined;
  /** The candidates of rows that bring none; undefined: yes and no are scored. */
  candidates: readonly string[] | undefined;
}

type Results = ResultsFile<ScoreLine, ScoreHeader>;

/** Scores each row of the inputs, and writes a line for each: to a results file, which a later run goes on with, or to stdout. */
export async function scoreRows(
  args: readonly string[],
  task: RowsTask,
  flags: ScoreFlags,
  out: Output,
): Promise<void> {
  checkMap(flags.map, [...rowFields, "candidates"]);
  const inputs = await Inputs.open(args.length > 0 ? args : ["-"], {
    ...{ form: flags.input, zero: flags.null ?? false, stdin: process.stdin },
    onSkip: tellSkipped(out),
  });
  const files = await RowFiles.open(flags.mediaRoot);
  const header = await headerOf(task, flags);
  const target = flags.out !== undefined && flags.shard ? shardFile(flags.out, flags.shard) : flags.out;
  const results: Results | undefined =
    target === undefined
      ? undefined
      : await ResultsFile.open(target, scoreResults, header, { retry: flags.retryErrors ?? false });
  const queue = new RowQueue(inputs, {
    ...{ settings: { prompt: task.prompt, map: flags.map, format: "rows" as const }, shard: flags.shard },
    ...{ unique: results !== undefined, state: (row: Row) => results?.state(row.id) },
  });
  let watch: RowWatch | undefined;
  try {
    const counted = await queue.count();
    if (counted && counted.done > 0) out.note(`${counted.done} of ${counted.rows} rows have results in ${target}.`);
    watch = new RowWatch(out, {
      ...{ total: counted?.rows, before: counted?.done ?? 0, maxErrors: flags.maxErrors },
      later:
        target === undefined
          ? "The run was interrupted; results on stdout can't be gone on with, results of -o FILE can."
          : `The results so far are in ${target}; the same command goes on with it.`,
    });
    if (flags.csv) out.line(csvHead(task.candidates === undefined));
    const work = { queue, files, results, watch, model: header.model.name };
    if (!counted || counted.done < counted.rows) await score(task, work, flags, out);
  } finally {
    watch?.stop();
    await results?.close();
  }
  queue.conclude(watch, "scores");
}

interface Work {
  queue: RowQueue;
  files: RowFiles;
  results: Results | undefined;
  watch: RowWatch;
  model: string;
}

async function score(task: RowsTask, { queue, files, results, watch, model }: Work, flags: ScoreFlags, out: Output) {
  const view = new ProgressView(out);
  await using owl = await Owl.open(task.model, { ...owlOptions(flags), onProgress: view.on }).finally(() =>
    view.stop(),
  );
  // Lines on a terminal would be in the progress's way.
  if (results || process.stdout.isTTY !== true) watch.progress.begin();
  const settings = {
    ...{ files, options: scoreOptions(flags), interleave: flags.interleave ?? false },
    ...{ candidates: task.candidates, map: flags.map },
  };
  const emit = (scores: RowScores, row: Row): void => {
    const line = scoreLineOf(row, scores, { model, details: flags.json ?? false });
    results?.add(line);
    if (flags.csv) out.line(csvRow(row.id, scores));
    else if (!results) process.stdout.write(`${safeJson(line)}\n`);
    watch.row(row.id, line.error?.message);
  };
  const work = (row: Row, place: () => Promise<void>): Promise<RowScores> => scoreRow(owl, row, settings, place);
  await runRows(queue.ahead(watch), work, emit, {
    concurrency: flags.concurrency,
    ordered: true,
    signal: watch.signal,
  });
}

async function headerOf({ model, prompt, candidates }: RowsTask, flags: ScoreFlags): Promise<ScoreHeader> {
  const { shard, candidate: _, candidates: __, prompt: ___, ...rest } = flags;
  const settings = settingsOf({ ...rest, prompt, candidates }, freeFlags);
  return { owl3_score: 1, ...(await runHeader(model, settings, shard)) };
}
