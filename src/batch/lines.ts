/** The lines of a batch's results. */
import type { AnswerResult } from "../chat/answer.js";
import type { FinishReason } from "../decode/generate.js";
import type { ResultsKind } from "../rows/results.js";
import type { Outcome, RowError } from "./answer.js";
import { differentRun, type RunHeader } from "./header.js";
import { type OpenAiLine, openaiLine } from "./openai.js";
import type { RowSettings } from "./row.js";

/** A line of results; nothing in it depends on when, where and beside what the row was answered. */
export interface BatchLine {
  id: string;
  index: number;
  /** The row as it was given; pictures in it are told by their size. */
  input: unknown;
  text: string | null;
  finish_reason: FinishReason | null;
  usage: { prompt_tokens: number; crops: number; completion_tokens: number } | null;
  /** Only where log-probabilities were asked for. */
  tokens?: AnswerResult["tokens"];
  seed: number;
  model: string;
  error: RowError | null;
}

/** The run that began a results file. */
export interface BatchHeader extends RunHeader {
  owl3_batch: 1;
  /** Rows of the whole input, once a run has come to its end. */
  rows?: number | undefined;
}

/** Makes the line of an outcome. */
export function lineOf(
  { row, seed, result }: Outcome,
  { model, format, logprobs }: { model: string; format: RowSettings["format"]; logprobs: boolean },
): BatchLine | OpenAiLine {
  const failed = "code" in result;
  if (format === "openai") {
    const wanted = logprobs || (!(row.question instanceof Error) && row.question.options.logprobs !== undefined);
    return openaiLine(row, model, failed ? { ...result, status: statusOf(result) } : result, wanted);
  }
  const about = { id: row.id, index: row.index, input: shortened(row.raw.value) };
  if (failed) return { ...about, text: null, finish_reason: null, usage: null, seed, model, error: result };
  const { text, finishReason, tokens, usage: u } = result;
  const usage = { prompt_tokens: u.promptTokens, crops: u.crops, completion_tokens: u.completionTokens };
  return { ...about, text, finish_reason: finishReason, usage, ...(logprobs && { tokens }), seed, model, error: null };
}

const statusOf = ({ code }: RowError): number => (code === "out_of_memory" ? 503 : code === "internal" ? 500 : 400);

/** Replaces data: URLs in a row, which are as long as pictures. */
export function shortened(value: unknown): unknown {
  if (typeof value === "string")
    return value.length > 200 && /^data:/i.test(value)
      ? `${value.slice(0, 40)}... (${value.length} characters)`
      : value;
  if (Array.isArray(value)) return value.map(shortened);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shortened(inner)]));
}

/** Why a line's row failed; undefined: it did not. */
export function errorOf(line: BatchLine | OpenAiLine): string | undefined {
  if (!("custom_id" in line)) return line.error?.message;
  const { status_code: status, body } = line.response;
  return status === 200 ? undefined : (body as { error?: { message?: string } }).error?.message;
}

/** The number of a line's row; undefined for what is no line of a batch. */
export function indexOf(line: { index?: unknown; id?: unknown; custom_id?: unknown }): number | undefined {
  if (Number.isSafeInteger(line.index)) return line.index as number;
  const number = /^batch_req_(\d{1,15})$/.exec(typeof line.id === "string" ? line.id : "")?.[1];
  return line.custom_id === undefined || number === undefined ? undefined : Number(number);
}

export const batchResults: ResultsKind<BatchLine | OpenAiLine, BatchHeader> = {
  what: "results file of a batch",
  header: "beside",
  isHeader: (value) => (value as Partial<BatchHeader>).owl3_batch === 1,
  difference: differentRun,
  read(line) {
    if (indexOf(line) === undefined) return undefined;
    if ("custom_id" in line)
      return typeof line.custom_id === "string"
        ? { id: line.custom_id, failed: line.response?.status_code !== 200 }
        : undefined;
    return typeof line.id === "string" ? { id: line.id, failed: (line.error ?? null) !== null } : undefined;
  },
};
