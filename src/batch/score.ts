/** Scores the candidates of a row. */
import type { Owl } from "../chat/owl.js";
import { likeliest, type ScoreOptions, type Scores, type YesNoScores } from "../chat/score.js";
import { jsonOf } from "../check.js";
import { UsageError, UserError } from "../errors.js";
import type { ResultsKind } from "../rows/results.js";
import { codeOf, conversation, type RowError } from "./answer.js";
import { differentRun, type RunHeader } from "./header.js";
import { shortened } from "./lines.js";
import type { RowFiles } from "./media.js";
import { mapped, type Row, type RowSettings } from "./row.js";

export interface ScoreSettings {
  files: RowFiles;
  options: ScoreOptions;
  interleave: boolean;
  map: RowSettings["map"];
  /** Candidates of rows that bring none; absent: yes and no are scored. */
  candidates?: readonly string[] | undefined;
}

/** A row's scores, or why it has none. */
export type RowScores = (Scores | YesNoScores) | RowError;

/** A line of results. */
export interface ScoreLine {
  id: string;
  index: number;
  /** The row as it was given; pictures in it are told by their size. */
  input: unknown;
  /** Only where yes and no were scored. */
  yes?: number;
  no?: number;
  spellings?: YesNoScores["spellings"];
  /** Only where candidates were scored: the likeliest one, and all of them. */
  best?: string;
  candidates?: CandidateJson[];
  usage: { prompt_tokens: number; crops: number } | null;
  model: string;
  error: RowError | null;
}

/** A candidate as JSON has it. */
export interface CandidateJson {
  text: string;
  letter?: string;
  logprob: number;
  per_token: number;
  share: number;
  tokens?: Scores["candidates"][number]["tokens"];
}

/** The run that began a results file. */
export interface ScoreHeader extends RunHeader {
  owl3_score: 1;
}

export const scoreResults: ResultsKind<ScoreLine, ScoreHeader> = {
  what: "results file of scores",
  header: "beside",
  isHeader: (value) => (value as Partial<ScoreHeader>).owl3_score === 1,
  difference: differentRun,
  read: ({ id, index, error }) =>
    typeof id === "string" && Number.isSafeInteger(index) ? { id, failed: (error ?? null) !== null } : undefined,
};

/** Scores a row once it has its place. What is wrong with the row becomes its outcome; other errors are thrown. */
export async function scoreRow(
  owl: Owl,
  row: Row,
  settings: ScoreSettings,
  place: () => Promise<void>,
): Promise<RowScores> {
  const { question } = row;
  try {
    if (question instanceof Error) throw question;
    const candidates = settings.candidates && candidatesOf(row, settings.map, settings.candidates);
    await place();
    const { messages, system } = await conversation(row, question, settings, settings.options);
    const options = { ...settings.options, system };
    return await (candidates ? owl.score(messages, candidates, options) : owl.yesNo(messages, options));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { code: codeOf(error), message: error.message };
  }
}

/** The candidates of a row: its own list, in a table as JSON, else those of all rows. */
function candidatesOf({ raw: { value } }: Row, map: RowSettings["map"], shared: readonly string[]): readonly string[] {
  const [own] = typeof value === "string" ? [] : mapped(map, value, "candidates");
  if (own === undefined || own === "") {
    if (shared.length === 0) throw new UsageError("The row has no candidates.");
    return shared;
  }
  const list = typeof own === "string" ? jsonOf(own) : own;
  if (!Array.isArray(list) || list.some((one) => typeof one !== "string"))
    throw new UsageError('"candidates" must be a list of texts.');
  return list;
}

/** Scores as JSON has them; `details`: with the tokens of each candidate, and with the spellings of yes and no. */
export function scoresJson(scores: Scores | YesNoScores, details: boolean) {
  const usage = { prompt_tokens: scores.usage.promptTokens, crops: scores.usage.crops };
  if ("yes" in scores) {
    const { yes, no, spellings } = scores;
    return { yes, no, ...(details && { spellings }), usage };
  }
  const candidates = scores.candidates.map(({ text, letter, logprob, perToken, share, tokens }): CandidateJson => {
    const named = { text, ...(letter !== undefined && { letter }) };
    return { ...named, logprob, per_token: perToken, share, ...(details && { tokens }) };
  });
  return { best: likeliest(scores).text, candidates, usage };
}

/** Makes the line of a row's outcome. */
export function scoreLineOf(
  row: Row,
  scores: RowScores,
  { model, details }: { model: string; details: boolean },
): ScoreLine {
  const about = { id: row.id, index: row.index, input: shortened(row.raw.value) };
  if ("code" in scores) return { ...about, usage: null, model, error: scores };
  return { ...about, ...scoresJson(scores, details), model, error: null };
}
