import type { Scores } from "../chat/score.js";
import type { AnswerEvent, AnswerRequest, EngineMemory, ModelInfo, ScoreRequest } from "./protocol.js";

/** "loading": the model is being opened, for the first time or after a crash. "failed": it will not be opened again. */
export type EngineStatus = "loading" | "ready" | "failed" | "closed";

/** An engine that may be in another process, so that it may fail at any time: then its requests throw EngineError. */
export interface Engine {
  readonly status: EngineStatus;
  /** The model; it stays known while an engine that crashed starts again. */
  readonly info: ModelInfo | undefined;
  /** Its memory as it was a moment ago; undefined before it is ready. */
  readonly memory: EngineMemory | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Calls `listener` at each change of the status. */
  onStatus(listener: (status: EngineStatus) => void): void;
  answer(request: AnswerRequest, signal: AbortSignal): AsyncIterable<AnswerEvent>;
  score(request: ScoreRequest, signal: AbortSignal): Promise<Scores>;
  close(): Promise<void>;
}
