import type { DecoderChoice } from "../media/video.js";

/** Settings that hold for all requests of a server. */
export interface Settings {
  /** The name of the model in answers. */
  model: string;
  /** Further names by which clients may ask for it. */
  aliases: readonly string[];
  /** Tokens of an answer at most. */
  maxTokens: number;
  /** Frames of a video at most. */
  maxFrames: number;
  /** Answers to one request at most. */
  maxChoices: number;
  decoder?: DecoderChoice | undefined;
  /** Seconds since 1970 at which the model's file was written. */
  created: number;
}

/** Tokens of an answer when a request doesn't say how many. */
export const defaultAnswerTokens = 512;
