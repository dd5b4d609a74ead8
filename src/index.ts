export type { Answer, AnswerResult, MediaReport } from "./engine/answer.js";
export type { GgufMetadata, KvType, MemoryPlan, NativeConfig as ModelConfig } from "./engine/binding.js";
export type { AskOptions, Chat, ChatOptions, PromptTensors } from "./engine/chat.js";
export type { AnswerPiece, FinishReason, Token, TokenChoice } from "./engine/generate.js";
export { Owl, type OwlOptions } from "./engine/owl.js";
export type { OnProgress, Progress, Timings } from "./engine/progress.js";
export type { SamplingOptions } from "./engine/sampling.js";
export { ExitCode, FileError, MemoryError, ModelFileError, NativeError, UsageError, UserError } from "./errors.js";
export type { InputImage, InputMessage, InputPart, InputVideo, Role, TextPart } from "./prompt/messages.js";
