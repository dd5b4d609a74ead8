import type { AnswerPiece, FinishReason, Token } from "../decode/generate.js";
import { UserError } from "../errors.js";
import type { MemoryPlan } from "../native/model.js";
import type { MediaReport } from "../vision/chat-media.js";
import type { Timings } from "./progress.js";

export interface AnswerResult {
  text: string;
  finishReason: FinishReason;
  /** The tokens of the text, without the end marker. */
  tokens: Token[];
  /** All pictures and videos of the chat. */
  media: MediaReport[];
  usage: {
    promptTokens: number;
    /** The prompt tokens that were computed for this answer; the KV cache had the others from earlier turns. */
    prefilledTokens: number;
    crops: number;
    /** The crops that the vision tower ran for this answer; the others were known, from earlier answers or from the cache on disk. */
    encodedCrops: number;
    completionTokens: number;
  };
  timings: Timings;
  memory: MemoryPlan;
  seed: number;
}

/**
 * An answer that is computed as it is read: iterate over its pieces, or await the whole. Leaving the iteration stops it; the text that was
 * read stays in the chat as the answer.
 */
export class Answer implements AsyncIterable<AnswerPiece> {
  readonly #run: () => AsyncGenerator<AnswerPiece, AnswerResult>;
  #reading: AsyncGenerator<AnswerPiece, AnswerResult> | undefined;
  #result: Promise<AnswerResult> | undefined;

  /** Use Chat.ask(). */
  constructor(run: () => AsyncGenerator<AnswerPiece, AnswerResult>) {
    this.#run = run;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AnswerPiece, AnswerResult> {
    if (this.#reading) throw new UserError("an answer can be read only once, and its result only after all of it.");
    this.#reading = this.#run();
    const result = yield* this.#reading;
    if (result === undefined) throw new UserError("the answer was stopped, since its chat was disposed.");
    this.#result = Promise.resolve(result);
    return result;
  }

  /** Reads the answer to its end. */
  result(): Promise<AnswerResult> {
    this.#result ??= this.#drain();
    return this.#result;
  }

  /** Reads the answer to its end and returns its text. */
  async text(): Promise<string> {
    return (await this.result()).text;
  }

  async #drain(): Promise<AnswerResult> {
    const reading = this[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await reading.next();
      if (done) return value;
    }
  }
}
