import { stat } from "node:fs/promises";
import { EngineProcess } from "../worker/process.js";
import type { EngineOptions, ModelInfo } from "../worker/protocol.js";
import { createApp } from "./app.js";
import { Dispatcher } from "./dispatcher.js";
import { createFetch } from "./fetch.js";
import { type Listening, listen } from "./listen.js";
import { Metrics } from "./metrics.js";
import type { Settings } from "./settings.js";

export interface ServerOptions {
  engine: EngineOptions;
  host: string;
  port: number;
  /** Answers at the same time, and requests that may wait beyond them. */
  parallel: number;
  queue: number;
  /** Milliseconds that a request may wait, and run. */
  queueMs: number;
  requestMs: number;
  keys: readonly string[];
  hosts: readonly string[];
  origins: readonly string[];
  settings: Omit<Settings, "created" | "maxChoices">;
  /** Bytes of a body at most. */
  maxBody: number;
  maxPictures: number;
  allowUrls: boolean;
  mediaRoot?: string | undefined;
  log: (line: string) => void;
}

export interface RunningServer extends Listening {
  /** The model, once it is open. Rejects with EngineError when it can't be opened. */
  opened: Promise<ModelInfo>;
  /** Settles with an error when the engine crashed too often. */
  failed: Promise<Error>;
}

/** Bodies of all requests together are at most so many times as large as one may be. */
const bodiesAtOnce = 4;
/** Answers to one request at most. */
const maxChoices = 16;
const fetchMs = 20_000;

/** Starts a server. It listens before its model is open, so that a client can ask how it is. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { engine: engineOptions, parallel, queue, queueMs, requestMs, keys, hosts, origins, log } = options;
  const created = Math.floor((await stat(engineOptions.model)).mtimeMs / 1000);
  const { engine, opened } = EngineProcess.start({ engine: engineOptions, log });
  opened.catch(() => {}); // told by whoever waits for it
  try {
    const metrics = new Metrics();
    const dispatcher = new Dispatcher({ engine, metrics, parallel, limit: queue, timeoutMs: queueMs, requestMs });
    const { maxBody, maxPictures, mediaRoot, allowUrls } = options;
    const app = createApp({
      dispatcher,
      metrics,
      settings: { ...options.settings, created, maxChoices },
      guard: { keys, hosts, origins: origins.map((origin) => origin.toLowerCase()) },
      bodies: { bytes: maxBody, totalBytes: bodiesAtOnce * maxBody },
      media: {
        maxPictures,
        mediaRoot,
        fetch: allowUrls ? createFetch({ bytes: maxBody, timeoutMs: fetchMs }) : undefined,
      },
      log,
    });
    const failed = new Promise<Error>((resolve) => {
      engine.onStatus((status) => {
        if (status === "failed") resolve(new Error("the engine crashed too often and is not started again."));
      });
    });
    const listening = await listen(app, dispatcher, options);
    return {
      url: listening.url,
      opened,
      failed,
      close: async (ms) => {
        await listening.close(ms);
        await engine.close();
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
