import type { Context, Hono } from "hono";
import type { ConversationRequest } from "../worker/protocol.js";
import type { Held } from "./body.js";
import type { Dispatcher } from "./dispatcher.js";
import { ApiError } from "./errors.js";
import type { Caller } from "./guard.js";
import type { MessageReader } from "./messages.js";
import type { Settings } from "./settings.js";
import type { StreamFormat } from "./stream.js";

export type ServerContext = Context<{ Variables: Caller & { id: string } }>;

/** One request while it is worked on. */
export interface Call {
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  /** Stops the work. */
  leave(): void;
  /** Gives back what the request held: its body, and its place in the log. */
  end(): void;
  /** Whether frames go on behind the response; they end the call. */
  streams: boolean;
  /** Counts bytes to the request. Throws ApiError when it has too many. */
  hold(bytes: number): void;
  readonly tenant: Pick<ConversationRequest, "tenant">;
}

/** The parts that routes are made of. */
export interface Parts {
  app: App;
  dispatcher: Dispatcher;
  settings: Settings;
  messages: MessageReader;
  /** Reads the JSON body of a request and answers it; a stream ends the call itself, later. */
  handle(c: ServerContext, work: (body: unknown, call: Call) => Promise<Response>): Promise<Response>;
  /** Answers by frames, and ends the call with them. What fails before the first frame is thrown. */
  stream(c: ServerContext, call: Call, frames: AsyncGenerator<string>, format: StreamFormat): Promise<Response>;
}

export type App = Hono<{ Variables: Caller & { id: string } }>;

/** Follows a request's connection. */
export function openCall(c: ServerContext, { hold, release }: Pick<Held, "hold" | "release">): Call {
  const controller = new AbortController();
  const { signal } = c.req.raw;
  const leave = (): void => controller.abort(new DOMException("the client left", "AbortError"));
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  const tenant = c.get("tenant");
  return {
    signal: controller.signal,
    streams: false,
    leave,
    end: () => {
      signal.removeEventListener("abort", leave);
      release();
    },
    hold,
    tenant: tenant === undefined ? {} : { tenant },
  };
}

/** Refuses a model that this server does not have. Ollama's clients add a tag to its name. */
export function checkModel(name: string | null | undefined, { model, aliases }: Settings): void {
  if (name === undefined || name === null || name === "") return;
  if ([model, ...aliases].some((known) => name === known || name === `${known}:latest`)) return;
  throw new ApiError(
    404,
    "model_not_found",
    `there is no model ${JSON.stringify(name.slice(0, 100))} here; it is ${model}.`,
    {
      param: "model",
    },
  );
}
