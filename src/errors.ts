/** The exit codes of the CLI, which docs/guide.md documents. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  file: 3,
  model: 4,
  memory: 5,
  rows: 6,
  interrupted: 130,
} as const;

/**
 * An error whose message is one sentence for the user; the CLI prints it without a stack and exits with `exitCode`.
 * @group Errors
 */
export class UserError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = ExitCode.failure, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/**
 * Wrong arguments or options: exit code 2.
 * @group Errors
 */
export class UsageError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.usage, options);
  }
}

/**
 * A file that is missing or can't be read or written: exit code 3.
 * @group Errors
 */
export class FileError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.file, options);
  }
}

/** Says why the system refused a file, in words. */
export function systemReason(error: unknown): string {
  const { code = "", message = String(error) } = error as Partial<NodeJS.ErrnoException>;
  return reasons[code] ?? message;
}

const reasons: Record<string, string> = {
  ENOENT: "no such file or folder",
  EACCES: "permission is denied",
  EPERM: "this is not permitted",
  EEXIST: "it exists already",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of this path is not a folder",
  ENOTEMPTY: "it is a folder with files in it",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links go in a circle",
  ENOSPC: "the disk is full",
  EDQUOT: "your disk quota is used up",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EBUSY: "it is in use",
  EIO: "the disk has an error",
  EFBIG: "the file system takes no file of that size",
};

/**
 * A file that is not a valid model or checkpoint: exit code 4.
 * @group Errors
 */
export class ModelFileError extends UserError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.model, options);
  }
}

/**
 * A prompt that leaves no room for an answer in the context: exit code 2.
 * @group Errors
 */
export class ContextError extends UsageError {
  constructor(
    readonly promptTokens: number,
    /** Positions that the context has. */
    readonly contextLength: number,
    /** Whether the caller chose that length; otherwise it is all that the model was trained on. */
    readonly chosen: boolean,
  ) {
    super(
      `the prompt has ${promptTokens} tokens and the context holds ${contextLength}${chosen ? "" : ", which is all the model knows"}.`,
    );
  }
}

/** Memory that is missing, in bytes. */
export interface MissingMemory {
  /** Whether the weights alone are too large, or an answer's caches and scratch. */
  of: "model" | "answer";
  needed: number;
  available: number;
}

/**
 * A form of answers that can't be followed; `pointer` is the JSON pointer of the place in a schema: exit code 2.
 * @group Errors
 */
export class SchemaError extends UsageError {
  constructor(
    readonly pointer: string,
    readonly reason: string,
  ) {
    super(`the schema can't be followed at ${pointer === "" ? "its root" : pointer}: ${reason}.`);
  }
}

/**
 * The machine lacks the memory for an answer or a model: exit code 5.
 * @group Errors
 */
export class MemoryError extends UserError {
  readonly missing: MissingMemory | undefined;
  constructor(message: string, missing?: MissingMemory) {
    super(message, ExitCode.memory);
    this.missing = missing;
  }
}

/**
 * A folder where a GGUF file should be: exit code 3.
 * @group Errors
 */
export class FolderError extends FileError {
  constructor(readonly path: string) {
    super(`${path} is a folder; a model is a GGUF file.`);
  }
}

/** Some of many rows failed, and the others were done, unless the run `stopped` because of them: exit code 6. */
export class RowsError extends UserError {
  constructor(failed: number, rows: number, first: string, stopped = false) {
    const end = stopped ? "; the run stopped there" : "";
    super(`${failed} of ${rows} rows failed${end}, the first one because: ${first}`, ExitCode.rows);
  }
}

/** No model was named and no default is there: exit code 2. */
export class NoModelError extends UsageError {
  constructor() {
    super("no model was chosen.");
  }
}

/** A repository holds several GGUF files and none was named: exit code 2. */
export class SeveralFilesError extends UsageError {
  constructor(
    repo: string,
    readonly files: readonly string[],
  ) {
    super(`${repo} has ${files.length} GGUF files (${files.slice(0, 8).join(", ")}).`);
  }
}

/** A hub can't be reached or serves nothing now; `elsewhere` may hold the same model: exit code 1. */
export class HubUnreachableError extends UserError {
  constructor(
    message: string,
    /** The other hub in words, the model's name there, and whether that is known to be the same release. */
    readonly elsewhere: { hub: string; name: string; certain: boolean },
    options?: ErrorOptions,
  ) {
    super(message, ExitCode.failure, options);
  }
}

/**
 * The installed ffmpeg was asked for and is not there: exit code 1.
 * @group Errors
 */
export class NoFfmpegError extends UserError {
  constructor() {
    super("no ffmpeg and ffprobe were found on PATH.");
  }
}

/** Codes of native/base/error.h. */
export type NativeCode =
  | "invalid_argument"
  | "not_found"
  | "unreadable"
  | "bad_model"
  | "out_of_memory"
  | "io"
  | "unsupported"
  | "device_lost"
  | "internal";

const exitCodes: Record<NativeCode, number> = {
  invalid_argument: ExitCode.usage,
  not_found: ExitCode.file,
  unreadable: ExitCode.file,
  bad_model: ExitCode.model,
  out_of_memory: ExitCode.memory,
  io: ExitCode.file,
  unsupported: ExitCode.failure,
  device_lost: ExitCode.failure,
  internal: ExitCode.failure,
};

/** Whether a value is the code of a native error. */
export function isNativeCode(value: unknown): value is NativeCode {
  return typeof value === "string" && Object.hasOwn(exitCodes, value);
}

/**
 * An error thrown by the native engine, with its code.
 * @group Errors
 */
export class NativeError extends UserError {
  readonly code: NativeCode;
  constructor(code: NativeCode, message: string, options?: ErrorOptions) {
    super(message, exitCodes[code] ?? ExitCode.failure, options);
    this.code = code;
  }
}
