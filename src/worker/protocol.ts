/** The messages between a server and its engine process. All of it is data that `structuredClone` copies. */
import type { MemoryUse } from "../chat/engine.js";
import type { ChatOptions } from "../chat/options.js";
import type { OwlOptions } from "../chat/owl.js";
import type { Scores } from "../chat/score.js";
import type { AnswerFormat } from "../constrain/format.js";
import type { SamplingOptions } from "../decode/sampling.js";
import type { VideoOptions } from "../media/frames.js";
import type { InputMessage } from "../prompt/messages.js";

/** The model that an engine process opens, and what holds for all of its answers. */
export interface EngineOptions extends Omit<OwlOptions, "onProgress">, Pick<ChatOptions, "kvType" | "contextLength"> {
  model: string;
  /** Pixels of a picture or frame at most; default: what the decoders allow. */
  maxPixels?: number | undefined;
}

/** An open model. */
export interface ModelInfo {
  path: string;
  backend: string;
  weightBytes: number;
  /** Positions of prompt and answer at most. */
  contextLength: number;
  /** The scalars of the file's metadata. */
  metadata: Record<string, string | number | boolean>;
}

/** The memory of an engine process; `resident`: all of it, as the system counts it. Bytes. */
export interface EngineMemory extends MemoryUse {
  resident: number;
}

/** A conversation that ends with a question. */
export interface ConversationRequest {
  messages: InputMessage[];
  cut?: boolean | undefined;
  video?: VideoOptions | undefined;
  /** Who asks: requests of different tenants share no computation, whose speed would tell one what another has asked. */
  tenant?: string | undefined;
}

export interface AnswerRequest extends ConversationRequest {
  /** How many answers to give; each has the seed after that of the one before. */
  n: number;
  sampling: SamplingOptions;
  maxTokens: number;
  stop: string[];
  /** The form that the answers must have. */
  format?: AnswerFormat | undefined;
}

export interface ScoreRequest extends ConversationRequest {
  candidates: string[];
  /** Whether a candidate is a whole answer, so that the end marker counts. */
  end: boolean;
}

/** A token, or one that might have stood in its place. */
export interface WireChoice {
  text: string;
  bytes: number[];
  logprob: number;
}
export interface WireToken extends WireChoice {
  top: WireChoice[];
}

export interface AnswerUsage {
  promptTokens: number;
  /** Those of them whose keys and values another answer had computed. */
  cachedTokens: number;
  completionTokens: number;
  crops: number;
}

/** Milliseconds of each stage. */
export interface AnswerTimings {
  preprocessMs: number;
  visionMs: number;
  prefillMs: number;
  decodeMs: number;
}

/**
 * How far the vision tower is with the crops of a request, then the pieces and the end of each answer, in order; `choice` counts the answers of a request
 * from 0.
 */
export type AnswerEvent =
  | { type: "vision"; done: number; total: number }
  | { type: "piece"; choice: number; text: string; token?: WireToken } // the token where log-probabilities were asked for
  | { type: "end"; choice: number; finishReason: "stop" | "length"; usage: AnswerUsage; timings: AnswerTimings };

/** The kinds of errors: some are the request's fault, some the engine's. After "device" the engine process ends. */
export type FaultKind = "usage" | "file" | "context" | "memory" | "aborted" | "model" | "device" | "internal";

/** An error as it crosses the border. `detail` is for the log alone. */
export interface Fault {
  kind: FaultKind;
  message: string;
  exitCode: number;
  detail?: string;
}

export type ToEngine =
  | { type: "open"; options: EngineOptions }
  | { type: "answer"; id: number; request: AnswerRequest }
  | { type: "score"; id: number; request: ScoreRequest }
  | { type: "abort"; id: number };

export type FromEngine =
  | { type: "open"; info: ModelInfo }
  | { type: "unopened"; fault: Fault }
  | { type: "memory"; memory: EngineMemory }
  | { type: "event"; id: number; event: AnswerEvent }
  | { type: "scores"; id: number; scores: Scores }
  /** The last message of a request. */
  | { type: "done"; id: number; fault?: Fault };
