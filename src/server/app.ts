import { randomUUID } from "node:crypto";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { Bodies, type BodyLimits } from "./body.js";
import { type App, openCall, type Parts, type ServerContext } from "./call.js";
import type { Dispatcher } from "./dispatcher.js";
import { ApiError, toApiError } from "./errors.js";
import { checkKey, checkOrigin, type GuardOptions } from "./guard.js";
import { type MediaOptions, MessageReader } from "./messages.js";
import type { Metrics } from "./metrics.js";
import { ollamaRoutes } from "./ollama/routes.js";
import { openaiRoutes } from "./openai/routes.js";
import { openApi } from "./openapi.js";
import { pageRoutes } from "./page.js";
import type { Settings } from "./settings.js";
import { streamed } from "./stream.js";

export interface AppOptions {
  dispatcher: Dispatcher;
  metrics: Metrics;
  settings: Settings;
  guard: GuardOptions;
  bodies: BodyLimits;
  media: MediaOptions;
  /** Takes a line for each response. It holds no text of a request. */
  log?: (line: string) => void;
}

/** The HTTP side of a server, without a socket: `app.request()` tests it. */
export function createApp({ dispatcher, metrics, settings, guard, bodies, media, log = () => {} }: AppOptions): App {
  const app: App = new Hono();
  const reader = new Bodies(bodies);
  const logError = (c: ServerContext) => (error: unknown) => {
    const detail =
      (error as { detail?: string }).detail ?? (toApiError(error).code === "internal_error" ? stackOf(error) : "");
    log(`${c.get("id")} failed: ${toApiError(error).code}${detail === "" ? "" : ` ${detail}`}`);
  };

  app.use(async (c, next) => {
    const started = performance.now();
    const id = `req_${randomUUID().replaceAll("-", "")}`;
    c.set("id", id);
    await next();
    c.header("x-request-id", id);
    c.header("x-content-type-options", "nosniff");
    if (dispatcher.status === "draining") c.header("connection", "close");
    metrics.response(c.res.status);
    log(`${id} ${c.req.method} ${routeOf(c)} ${c.res.status} ${Math.round(performance.now() - started)} ms`);
  });
  app.use(checkOrigin(guard));
  if (guard.origins.length > 0)
    app.use(cors({ origin: [...guard.origins], allowHeaders: ["authorization", "content-type"] }));
  app.get("/health", (c) => {
    const { status } = dispatcher;
    return c.json({ status }, status === "ok" ? 200 : 503);
  });
  app.use(checkKey(guard));

  const parts: Parts = {
    app,
    dispatcher,
    settings,
    messages: new MessageReader(media),
    stream: async (c, call, frames, format) => {
      const response = await streamed(frames, { ...format, onEnd: call.end, leave: call.leave, log: logError(c) });
      call.streams = true;
      return response;
    },
    handle: async (c, work) => {
      const held = await reader.json(c);
      const call = openCall(c, held);
      try {
        const response = await work(held.body, call);
        if (!call.streams) call.end();
        return response;
      } catch (error) {
        call.end();
        throw error;
      }
    },
  };
  app.get("/metrics", (c) =>
    c.text(metrics.text(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  app.get("/openapi.json", (c) => c.json(openApi()));
  openaiRoutes(parts);
  ollamaRoutes(parts);
  pageRoutes(parts);

  app.notFound(() => {
    throw new ApiError(404, "not_found", "there is no such route; /openapi.json lists them.");
  });
  app.onError((error, c) => {
    const told = toApiError(error);
    if (told.status >= 500 || told.status === 499) logError(c)(error);
    if (told.retryAfter !== undefined) c.header("retry-after", String(told.retryAfter));
    const ollama = c.req.path.startsWith("/api/");
    return c.json(ollama ? { error: told.message } : told.body(), told.status as 400);
  });
  return app;
}

/** The path of a request for the log, if it is one that there is: others may hold anything. */
function routeOf(c: ServerContext): string {
  return c.res.status === 404 ? "(other)" : c.req.path.slice(0, 100);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
