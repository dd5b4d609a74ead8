import type { AnswerPiece, FinishReason, Token } from "../decode/generate.js";
import { UserError } from "../errors.js";
import type { MemoryPlan } from "../native/binding.js";
import type { MediaReport } from "../vision/chat-media.js";
import type { Timings } from "./progress.js";

export interface AnswerResult {
  text: string;
  finishReason: FinishReason;
  /** Without the end marker. */
  tokens: Token[];
  /** The chat's pictures and videos. */
  media: MediaReport[];
  usage: {
    promptTokens: number;
    /** Of these, computed now; the others were known from earlier turns. */
    prefilledTokens: number;
    crops: number;
    completionTokens: number;
  };
  timings: Timings;
  memory: MemoryPlan;
  seed: number;
}

/**
 * An answer on its way. It is computed as it is read: iterate over its pieces, or ask for the whole. Breaking off the iteration stops it;
 * what was read stays in the chat as the answer.
 */
export class Answer implements AsyncIterable<AnswerPiece> {
  readonly #run: () => AsyncGenerator<AnswerPiece, AnswerResult>;
  #reading: AsyncGenerator<AnswerPiece, AnswerResult> | undefined;
  #result: Promise<AnswerResult> | undefined;

  /** @internal use Chat.ask() */
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

  /** Reads to the end. */
  result(): Promise<AnswerResult> {
    this.#result ??= this.#drain();
    return this.#result;
  }

  /** The whole text. */
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
