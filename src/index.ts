/**
 * Everything that `import ... from "owl3"` gives. {@link Owl} opens a model: {@link Owl.chat} begins a {@link Chat}, whose {@link Chat.ask} gives an
 * {@link Answer}; {@link Owl.score}, {@link Owl.yesNo} and {@link Owl.find} tell how probable answers are; {@link Owl.preview} tells prompt and memory of a run
 * beforehand. {@link OwlClient} asks a running server. What is asked is an {@link InputMessage} or its {@link InputPart}s. An error that a user can mend is
 * a {@link UserError} whose message is one sentence.
 *
 * @module
 */
export type { Answer, AnswerResult } from "./chat/answer.js";
export type { Chat } from "./chat/chat.js";
export type { MemoryUse } from "./chat/engine.js";
export type { FindOptions, Moment } from "./chat/find.js";
export type { AskOptions, ChatOptions, PromptTensors } from "./chat/options.js";
export { Owl, type OwlOptions } from "./chat/owl.js";
export type { Preview, PreviewOptions } from "./chat/preview.js";
export type { OnProgress, Progress, Timings } from "./chat/progress.js";
export type { ScoreOptions, Scores, YesNoScores } from "./chat/score.js";
export { OwlClient, type RemoteAnswer, type RemoteOptions } from "./client/client.js";
export type { AnswerFormat } from "./constrain/format.js";
export { type ConvertOptions, convertCheckpoint } from "./convert/convert.js";
export { type QuantizeOptions, quantizeFile } from "./convert/quantize.js";
export type { WriteProgress } from "./convert/write.js";
export type { AnswerPiece, FinishReason, Token, TokenChoice } from "./decode/generate.js";
export type { SamplingOptions } from "./decode/sampling.js";
export type { KvUse } from "./decode/scheduler.js";
export {
  ContextError,
  ExitCode,
  FileError,
  FolderError,
  MemoryError,
  type MissingMemory,
  ModelFileError,
  type NativeCode,
  NativeError,
  NoFfmpegError,
  SchemaError,
  UsageError,
  UserError,
} from "./errors.js";
export { joinSpans, rankByProbability, type Scored, type SpanOptions } from "./find/spans.js";
export type { FileType } from "./gguf/file-types.js";
export type { FrameReport, VideoOptions } from "./media/frames.js";
export type { DecoderChoice } from "./media/video.js";
export type { GgufMetadata, GgufScalar } from "./native/gguf.js";
export type { DevicePart, HyperKind, KvType, MemoryPlan, NativeConfig as ModelConfig, Work } from "./native/model.js";
export type {
  Container,
  FrameChoice,
  InputImage,
  InputMedium,
  InputMessage,
  InputPart,
  InputVideo,
  Role,
  Source,
  TextPart,
} from "./prompt/messages.js";
export type { ScoredCandidate, ScoredToken } from "./score/candidates.js";
export type { Spelling, YesNo } from "./score/yes-no.js";
export type { MediaReport } from "./vision/chat-media.js";
export type { CropUse } from "./vision/crops.js";
export type { EncodeProgress } from "./vision/encode-media.js";
