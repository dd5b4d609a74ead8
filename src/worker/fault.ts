import {
  ContextError,
  ExitCode,
  FileError,
  MemoryError,
  ModelFileError,
  NativeError,
  UsageError,
  UserError,
} from "../errors.js";
import { fromNative } from "../native/native.js";
import type { Fault, FaultKind } from "./protocol.js";

/** An error that came from the engine process, or that tells of its end. */
export class EngineError extends Error {
  constructor(
    readonly kind: FaultKind | "crashed" | "unavailable" | "timeout",
    message: string,
    /** The exit code of a command that ends by it. */
    readonly exitCode: number = ExitCode.failure,
    /** More for the log, which no client is told. */
    readonly detail?: string,
  ) {
    super(message);
    this.name = "EngineError";
  }
}

/** Makes of an error the part that a client may know. Errors that nobody foresaw keep their text to the log: it may hold paths or addresses. */
export function toFault(error: unknown): Fault {
  if (error instanceof Error && error.name === "AbortError")
    return { kind: "aborted", message: "the request was stopped.", exitCode: ExitCode.interrupted };
  const known = fromNative(error);
  if (known instanceof UserError) return { kind: kindOf(known), message: known.message, exitCode: known.exitCode };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: "internal", message: "the engine failed unexpectedly.", exitCode: ExitCode.failure, detail };
}

export function fromFault({ kind, message, exitCode, detail }: Fault): EngineError {
  return new EngineError(kind, message, exitCode, detail);
}

function kindOf(error: UserError): FaultKind {
  if (error instanceof ContextError) return "context";
  if (error instanceof UsageError) return "usage";
  if (error instanceof MemoryError) return "memory";
  if (error instanceof FileError) return "file";
  if (error instanceof ModelFileError) return "model";
  if (error instanceof NativeError && error.code === "out_of_memory") return "memory";
  if (error instanceof NativeError && error.code === "device_lost") return "device";
  return "internal";
}
