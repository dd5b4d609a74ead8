import type { AnswerResult } from "../../chat/answer.js";
import { describePlaces } from "../../chat/memory.js";
import type { Progress as EngineProgress, OnProgress } from "../../chat/progress.js";
import { counted, formatBytes } from "../../format.js";
import { memoryJson } from "../json.js";
import type { Output, Progress } from "../output.js";

type EncodeProgress = Extract<EngineProgress, { stage: "encode" }>;
type LoadProgress = Extract<EngineProgress, { stage: "load" }>;

/** Shows the progress of an answer as a spinner line on stderr. */
export class ProgressView {
  #shown: Progress | undefined;
  /** Milliseconds a crop took in the last call of the vision tower. */
  #pace = 0;
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  readonly on: OnProgress = (progress) => {
    switch (progress.stage) {
      case "load":
        return this.#show(loadingText(progress));
      case "placed":
        this.#shown?.stop();
        this.#shown = undefined;
        return this.#out.note(describePlaces(progress.plan));
      case "preprocess":
        return this.#show(`reading ${progress.source} (${progress.done + 1} of ${progress.total})`);
      case "encode":
        return this.#show(this.#encoding(progress));
      case "prefill":
        return this.#show(`reading the prompt: ${progress.done} of ${counted(progress.total, "token")}`);
      case "beams":
        return this.#show(`searching: ${counted(progress.done, "token")}`);
      case "find":
        return this.#show(`searching: ${progress.done} of ${counted(progress.total, "window")}`);
    }
  };

  /** Shows how many crops a server's vision tower is done with, which is all that a server tells. */
  readonly onVision = (done: number, total: number): void =>
    this.#show(`encoding: ${done} of ${counted(total, "crop")}`);

  /** Formats the progress of encoding: "encoding: 12.5 of 128 frames (16 decoded), 3.1 frames/s, 37 s left, memory 3.4 GB". */
  #encoding({ done, part, total, decoded, msPerCrop, msLeft, unit, memory }: EncodeProgress): string {
    if (msPerCrop > 0) this.#pace = msPerCrop;
    const pace =
      unit === "frame" ? `${(1000 / this.#pace).toFixed(1)} frames/s` : `${(this.#pace / 1000).toFixed(2)} s/crop`;
    const parts = [
      `encoding: ${part > 0 ? (done + part).toFixed(1) : done} of ${counted(total, unit)}${decoded > done ? ` (${decoded} decoded)` : ""}`,
      this.#pace > 0 ? pace : "",
      msLeft === undefined || done === total ? "" : `${Math.ceil(msLeft / 1000)} s left`,
      `memory ${formatBytes(memory)}`,
    ];
    return parts.filter((each) => each !== "").join(", ");
  }

  #show(text: string): void {
    if (this.#shown) this.#shown.update(text);
    else this.#shown = this.#out.progress(text);
  }

  /** Removes the line; call it before anything else is written. */
  stop(): void {
    this.#shown?.stop();
    this.#shown = undefined;
  }
}

/** Formats the progress of loading: "loading 7b.gguf: 41 %, 3.1 GB of 7.5 GB". */
function loadingText({ source, repacking, done, total }: LoadProgress): string {
  const share = `${Math.floor((100 * done) / total)} %, ${formatBytes(done)} of ${formatBytes(total)}`;
  const text = `${repacking ? "repacking" : "loading"} ${source}${total > 0 ? `: ${share}` : ""}`;
  return repacking ? `${text}; the next start will be quicker` : text;
}

/** Summarises an answer: "5 crops visible, encoded in 2.1 s, 80 tokens prefilled in 0.2 s, 12 generated at 31.2 tokens/s, memory 1.2 GB". */
export function summary({ usage, timings, memory }: AnswerResult): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const how = usage.encodedCrops > 0 ? "encoded" : "read from the cache";
  const parts = [
    timings.visionMs > 0 ? `${counted(usage.crops, "crop")} visible, ${how} in ${seconds(timings.visionMs)}` : "",
    `${counted(usage.prefilledTokens, "token")} prefilled in ${seconds(timings.prefillMs)}`,
    `${usage.completionTokens} generated at ${(usage.completionTokens / Math.max(timings.decodeMs / 1000, 1e-6)).toFixed(1)} tokens/s`,
    `memory ${formatBytes(memory.total)}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** An answer as `--json` prints it. */
export function answerJson(model: string, backend: string, result: AnswerResult): unknown {
  const { usage, timings: t, memory: m } = result;
  const ms = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    model,
    backend,
    text: result.text,
    finish_reason: result.finishReason,
    // Without --logprobs there are no alternatives to list.
    tokens: result.tokens.map(({ top, ...token }) => (top.length > 0 ? { ...token, top } : token)),
    media: result.media,
    usage: {
      prompt_tokens: usage.promptTokens,
      crops: usage.crops,
      encoded_crops: usage.encodedCrops,
      completion_tokens: usage.completionTokens,
    },
    timings: {
      load_ms: ms(t.loadMs),
      preprocess_ms: ms(t.preprocessMs),
      vision_ms: ms(t.visionMs),
      prefill_ms: ms(t.prefillMs),
      decode_ms: ms(t.decodeMs),
    },
    memory: { ...memoryJson(m), peak_rss: process.resourceUsage().maxRSS * 1024 },
    seed: result.seed,
  };
}
