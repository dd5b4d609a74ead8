/** Asks questions and writes down what comes of each. */
import type { Owl } from "../chat/owl.js";
import { likeliest } from "../chat/score.js";
import { UserError } from "../errors.js";
import type { DecoderChoice } from "../media/video.js";
import type { KvType } from "../native/model.js";
import type { InputMessage } from "../prompt/messages.js";
import { runRows } from "../rows/loop.js";
import type { MediaRoot } from "./media.js";
import type { Medium, Outcome, Prompt, Question } from "./question.js";
import type { ResultLine, Results } from "./results.js";
import { unitOf } from "./select.js";

export interface RunOptions {
  owl: Owl;
  media: MediaRoot;
  results: Results;
  /** "letter": the model answers in its own words, which are read by the benchmark's rule; "logprob": so are open questions, else its answer is the likeliest candidate. */
  score: "letter" | "logprob";
  /** Frames of a video. */
  frames: number;
  maxTokens: number;
  /** Questions that are under way at the same time. */
  concurrency: number;
  kvType?: KvType | undefined;
  decoder?: DecoderChoice | undefined;
  /** Once it is aborted no further question is asked, and those under way are answered. */
  signal?: AbortSignal | undefined;
  onResult?: ((line: ResultLine) => void) | undefined;
}

/** Asks all questions that have no result yet. What a question throws for reasons of its own becomes its result; other errors end the run. */
export async function askQuestions(questions: readonly Question[], options: RunOptions): Promise<void> {
  const { results, onResult, concurrency, signal } = options;
  const ask = async (question: Question, place: () => Promise<void>): Promise<ResultLine> => {
    await place();
    return result(question, options);
  };
  const keep = (line: ResultLine): void => {
    results.add(line);
    onResult?.(line);
  };
  const waiting = questions.filter(({ id }) => !results.done.has(id));
  await runRows(waiting, ask, keep, { concurrency, signal });
}

async function result(question: Question, options: RunOptions): Promise<ResultLine> {
  const started = performance.now();
  const since = (): number => Math.round(performance.now() - started);
  const { id, answer, groups } = question;
  try {
    const prompt = await question.prompt();
    const said =
      options.score === "logprob" && question.candidates
        ? await choose(question, prompt, options)
        : await generate(prompt, options);
    const read = question.read(said.text);
    return { id, ...said, read, answer, score: question.score(read), groups, ms: since() };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { id, error: error.message, ms: since() };
  }
}

async function generate(prompt: Prompt, options: RunOptions): Promise<{ text: string }> {
  const { messages, ...how } = await asked(prompt, options);
  await using chat = options.owl.chat({ messages, ...how });
  // The published evaluation is greedy and without penalties, whatever the file's defaults are.
  const greedy = { temperature: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
  const { text } = await chat.answer({ ...greedy, maxTokens: options.maxTokens }).result();
  return { text };
}

async function choose(
  { candidates = [] }: Question,
  prompt: Prompt,
  options: RunOptions,
): Promise<{ text: string; logprobs: Record<string, number> }> {
  const { messages, ...how } = await asked(prompt, options);
  const scores = await options.owl.score(messages, candidates, how);
  const best = likeliest(scores);
  const logprobs = scores.candidates.map(({ text, logprob }): [string, number] => [text, logprob]);
  return { text: best.text, logprobs: Object.fromEntries(logprobs) };
}

/** A picture is cut only when it is the only medium, and frames are the middles of equal intervals, as in the published evaluation. */
async function asked(prompt: Prompt, { media, frames, kvType, decoder }: RunOptions) {
  const clip = prompt.find((part) => typeof part !== "string" && part.kind === "video") as Medium | undefined;
  const part = {
    ...(clip?.start !== undefined && { start: clip.start }),
    ...(clip?.end !== undefined && { end: clip.end }),
  };
  const content = await media.parts(prompt, frames);
  const messages: InputMessage[] = [{ role: "user", content }];
  const video = { rule: "middles" as const, maxFrames: frames, ...part, ...(decoder && { decoder }) };
  return { messages, cut: content.filter(({ type }) => type !== "text").length === 1, video, kvType };
}

/** The outcomes of questions that have one; a unit with a question that has none is left out as a whole. */
export function outcomesOf(questions: readonly Question[], results: Pick<Results, "done">): Outcome[] {
  const missing = new Set(questions.filter(({ id }) => !results.done.has(id)).map(unitOf));
  return questions
    .filter((question) => !missing.has(unitOf(question)))
    .map((question) => {
      const line = results.done.get(question.id) as ResultLine;
      const read = line.read ?? "";
      const { id, answer, groups } = question;
      return { id, unit: unitOf(question), groups, answer, read, score: question.score(read) };
    });
}
