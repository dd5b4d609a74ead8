import path from "node:path";
import { answerRow, type Outcome, type RowError } from "../../batch/answer.js";
import { Inputs } from "../../batch/inputs.js";
import { type BatchHeader, lineOf } from "../../batch/lines.js";
import { RowFiles } from "../../batch/media.js";
import { mergeShards } from "../../batch/merge.js";
import { optionNames } from "../../batch/options.js";
import { checkMap, type Row, rowFields, rowSeed, seedOf } from "../../batch/row.js";
import { Owl } from "../../chat/owl.js";
import { ExitCode, UsageError, UserError } from "../../errors.js";
import { restrictLoaders } from "../../media/image.js";
import { resolveModel } from "../../models/resolve.js";
import { runRows } from "../../rows/loop.js";
import { settingsOf } from "../../rows/settings.js";
import { readFormat } from "../chat/answer-format.js";
import { askOptions, chatOptions, owlOptions } from "../chat/flags.js";
import { ProgressView } from "../chat/view.js";
import { createOutput, type Output, tellSkipped } from "../output.js";
import { RowWatch } from "../row-watch.js";
import { checkFlags } from "./check.js";
import { type BatchFlags, freeFlags } from "./flags.js";
import { runHeader } from "./header.js";
import { RowQueue } from "./queue.js";
import { relay } from "./relay.js";
import { Sink } from "./sink.js";

/** Rows whose media are decoded while others are answered. */
const rowsAhead = 2;

/** Answers each row of the inputs, or puts the results of shards together. */
export async function runBatch(args: string[], flags: BatchFlags): Promise<void> {
  const out = createOutput(flags);
  checkFlags(args, flags);
  if (flags.merge) return merge(flags.out as string, out);
  const given = args.length > 0 ? args : ["-"];
  const form = flags.stdin || flags.format === "openai" ? (flags.input ?? "jsonl") : flags.input;
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  if (flags.schema === "-" && (given.includes("-") || flags.stdin))
    throw new UsageError("only one thing can be read from stdin (-).");
  flags.answerFormat = await readFormat(flags);
  restrictLoaders();
  checkMap(flags.map, [...rowFields, ...optionNames]);
  const header = await headerOf(model, flags);
  const agreement = { model: header.model.fingerprint, version: header.version };
  const inputs = await Inputs.open(given, {
    ...{ form, zero: flags.null ?? false, stdin: process.stdin, agreement },
    onSkip: tellSkipped(out),
  });
  const files = await RowFiles.open(flags.mediaRoot);
  const sink = await Sink.open(flags, header, files, out);
  const batch = new RowQueue(inputs, {
    ...{ settings: flags, shard: flags.shard, unique: sink.resumes },
    state: (row) => sink.state(row),
  });
  let watch: RowWatch | undefined;
  try {
    const counted = await batch.count();
    if (counted) sink.tellBefore(counted);
    watch = new RowWatch(out, {
      ...{ total: counted?.rows, before: counted?.done ?? 0, maxErrors: flags.maxErrors },
      later: sink.later,
    });
    if (flags.relay) await relay(batch.waiting(watch), agreement, { sink, watch, fail: failing(flags, header) });
    else if (!counted || counted.done < counted.rows)
      await answer(model, { batch, files, sink, watch, flags, header }, out);
    watch.stop();
    if (batch.ended && !watch.signal.aborted) sink.finish({ ...header, rows: batch.rows });
  } finally {
    watch?.stop();
    await sink.close();
  }
  batch.conclude(watch, "asks");
}

interface Work {
  batch: RowQueue;
  files: RowFiles;
  sink: Sink;
  watch: RowWatch;
  flags: BatchFlags;
  header: BatchHeader;
}

async function answer(model: string, { batch, files, sink, watch, flags, header }: Work, out: Output): Promise<void> {
  const view = new ProgressView(out);
  const options = { ...owlOptions(flags), onProgress: view.on };
  await using owl = await Owl.open(model, options).finally(() => view.stop());
  if (!sink.shows) watch.progress.begin();
  const { interleave = false, seed = 0, concurrency, ordered = false } = flags;
  const settings = { files, chat: chatOptions(flags), ask: askOptions(flags), interleave, seed };
  const work = async (row: Row, place: () => Promise<void>): Promise<Outcome> => {
    const refusal = sink.refusal(row);
    if (refusal === undefined) return answerRow(owl, row, settings, place);
    return { row, seed: seedOf(seed, row.id), result: { code: "bad_row", message: refusal } };
  };
  const make = lineMaker(flags, header);
  const emit = (outcome: Outcome): void => {
    const { row, result } = outcome;
    const line = make(outcome);
    const failure = "code" in result ? undefined : keepSidecar(row, line, sink);
    sink.write(failure ? make({ ...outcome, result: failure }) : line);
    watch.row(row.id, "code" in result ? result.message : failure?.message);
  };
  await runRows(batch.ahead(watch), work, emit, {
    ...{ concurrency, ahead: rowsAhead, ordered, signal: watch.signal },
  });
}

const lineMaker =
  ({ format, logprobs }: BatchFlags, { model }: BatchHeader) =>
  (outcome: Outcome) =>
    lineOf(outcome, { model: model.name, format, logprobs: logprobs !== undefined });

/** Makes the lines of rows that could not be answered elsewhere. */
const failing =
  (flags: BatchFlags, header: BatchHeader) =>
  (row: Row, result: RowError): ReturnType<typeof lineOf> =>
    lineMaker(flags, header)({ row, seed: rowSeed(flags.seed ?? 0, row), result });

/** Writes a sidecar; returns why that was not possible. */
function keepSidecar(row: Row, line: ReturnType<typeof lineOf>, sink: Sink): RowError | undefined {
  try {
    sink.writeSidecar(row, line);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { code: "bad_sidecar", message: error.message };
  }
}

async function headerOf(model: string, flags: BatchFlags): Promise<BatchHeader> {
  const settings = settingsOf({ ...flags, seed: flags.seed ?? 0 }, freeFlags);
  return { owl3_batch: 1, ...(await runHeader(model, settings, flags.shard)) };
}

async function merge(file: string, out: Output): Promise<void> {
  const { rows, failed } = await mergeShards(file);
  out.note(`${path.basename(file)} has ${rows} rows.`);
  if (failed > 0) throw new UserError(`${failed} of ${rows} rows failed in the shards' runs.`, ExitCode.rows);
}
