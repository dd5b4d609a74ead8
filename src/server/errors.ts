import { EngineError } from "../worker/fault.js";

export type ErrorType = "invalid_request_error" | "authentication_error" | "rate_limit_error" | "server_error";

export interface ErrorExtra {
  /** The member of the body that is wrong, such as "messages.0.content.1.image_url.url". */
  param?: string | undefined;
  /** Seconds after which to try again. */
  retryAfter?: number;
}

/** An error as a client sees it: a status, and what OpenAI's and Ollama's error shapes say. */
export class ApiError extends Error {
  readonly param: string | undefined;
  readonly retryAfter: number | undefined;
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    { param, retryAfter }: ErrorExtra = {},
  ) {
    super(message);
    this.name = "ApiError";
    this.param = param;
    this.retryAfter = retryAfter;
  }

  get type(): ErrorType {
    if (this.status === 401) return "authentication_error";
    if (this.status === 429) return "rate_limit_error";
    return this.status >= 500 ? "server_error" : "invalid_request_error";
  }

  /** OpenAI's shape. */
  body(): { error: { message: string; type: ErrorType; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param ?? null, code: this.code } };
  }
}

export function badRequest(message: string, param?: string, code = "invalid_value"): ApiError {
  return new ApiError(400, code, message, { param });
}

/** An option of the API that this server does not have: it is refused, for ignoring it would give another answer than was asked for. */
export function unsupported(param: string, why: string): ApiError {
  return new ApiError(400, "unsupported_parameter", `${param} is not supported: ${why}`, { param });
}

/** The error that a client is told; `detail` of the others is for the log. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof Error && error.name === "AbortError") return new ApiError(499, "aborted", "the client left.");
  if (!(error instanceof EngineError)) return new ApiError(500, "internal_error", "the server failed unexpectedly.");
  const message = error.message;
  switch (error.kind) {
    case "usage":
      return new ApiError(400, "invalid_value", message);
    case "file":
      return new ApiError(400, "invalid_media", message);
    case "context":
      return new ApiError(400, "context_length_exceeded", message);
    case "memory":
      return new ApiError(503, "out_of_memory", message);
    case "timeout":
      return new ApiError(504, "timeout", message);
    case "unavailable":
      return new ApiError(503, "loading", message, { retryAfter: 5 });
    case "crashed":
      return new ApiError(500, "engine_crashed", message);
    case "device":
      return new ApiError(500, "device_lost", message);
    case "aborted":
      return new ApiError(499, "aborted", message);
    default:
      return new ApiError(500, "internal_error", "the engine failed unexpectedly.");
  }
}
