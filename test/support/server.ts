import { type AppOptions, createApp } from "../../src/server/app.js";
import type { App } from "../../src/server/call.js";
import { Dispatcher } from "../../src/server/dispatcher.js";
import { Metrics } from "../../src/server/metrics.js";
import type { Engine, EngineStatus } from "../../src/worker/engine.js";
import { EngineError } from "../../src/worker/fault.js";
import type { AnswerEvent, AnswerRequest, ScoreRequest } from "../../src/worker/protocol.js";

/** An engine that answers a request with its last text, a word at a time, and can be told to wait, to fail and to crash. */
export class FakeEngine implements Engine {
  status: EngineStatus = "ready";
  restarts = 0;
  /** How far the vision tower comes before the first word, of how many crops; it waits for `go` there. */
  vision: [done: number, total: number] | undefined;
  readonly memory = {
    resident: 5000,
    kv: { bytes: 300, pages: 3, limit: 1200, kept: { sequences: 2, bytes: 200, limit: 400 } },
    crops: { bytes: 90, unused: { bytes: 60, limit: 100 } },
  };
  readonly requests: AnswerRequest[] = [];
  readonly scored: ScoreRequest[] = [];
  /** Requests that were stopped. */
  stopped = 0;
  running = 0;
  maxRunning = 0;
  /** Words after which an answer waits for `go`. */
  pauseAfter = Number.POSITIVE_INFINITY;
  /** The error that comes after so many words. */
  fails: { after: number; error: EngineError } | undefined;
  readonly info = {
    path: "/models/fake.gguf",
    backend: "cpu",
    weightBytes: 1000,
    contextLength: 100,
    metadata: { "general.architecture": "mplugowl3" },
  };
  #listeners: ((status: EngineStatus) => void)[] = [];
  #crash = new AbortController();
  #go: (() => void)[] = [];

  onStatus(listener: (status: EngineStatus) => void): void {
    this.#listeners.push(listener);
  }

  become(status: EngineStatus): void {
    this.status = status;
    for (const listener of this.#listeners) listener(status);
  }

  go(): void {
    this.pauseAfter = Number.POSITIVE_INFINITY;
    for (const go of this.#go.splice(0)) go();
  }

  /** All requests that run fail, and the engine is not there until become("ready"). */
  crash(): void {
    const crash = this.#crash;
    this.#crash = new AbortController();
    crash.abort(new EngineError("crashed", "the engine crashed; it is started again."));
    this.become("loading");
  }

  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent, void, void> {
    this.requests.push(request);
    this.running++;
    this.maxRunning = Math.max(this.maxRunning, this.running);
    const either = AbortSignal.any([signal, this.#crash.signal]);
    let ended = false;
    try {
      if (this.vision) {
        const [done, total] = this.vision;
        for (let crop = 0; crop <= done; crop++) yield { type: "vision", done: crop, total };
        await this.#paused(either);
      }
      const words = `${textOf(request)} `.match(/\S+\s/g)?.slice(0, request.maxTokens) ?? [];
      for (const [i, word] of words.entries()) {
        await new Promise((resolve) => setImmediate(resolve));
        either.throwIfAborted();
        if (this.fails && i >= this.fails.after) throw this.fails.error;
        if (i >= this.pauseAfter) await this.#paused(either);
        const bytes = [...Buffer.from(word)];
        const token = { text: word, bytes, logprob: i === 0 ? Number.NEGATIVE_INFINITY : -i, top: [] };
        for (let choice = 0; choice < request.n; choice++) yield { type: "piece", choice, text: word, token };
      }
      const finishReason = words.length < request.maxTokens ? "stop" : "length";
      const usage = { promptTokens: 10, cachedTokens: 3, completionTokens: words.length, crops: 1 };
      const timings = { preprocessMs: 1, visionMs: 2, prefillMs: 3, decodeMs: 4 };
      for (let choice = 0; choice < request.n; choice++) yield { type: "end", choice, finishReason, usage, timings };
      ended = true;
    } finally {
      this.running--;
      if (!ended) this.stopped++;
    }
  }

  async score(request: ScoreRequest) {
    this.scored.push(request);
    return {
      candidates: request.candidates.map((text) => ({ text, logprob: -1, perToken: -1, share: 0.5, tokens: [] })),
      media: [],
      usage: { promptTokens: 10, crops: 0 },
    };
  }

  async close(): Promise<void> {
    this.become("closed");
  }

  #paused(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#go.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }
}

function textOf({ messages }: AnswerRequest): string {
  const content = messages.at(-1)?.content ?? "";
  if (typeof content === "string") return content;
  return content
    .map((part) => (part.type === "text" ? part.text : ""))
    .join("")
    .trimStart();
}

export interface FakeServerOptions extends Partial<Omit<AppOptions, "dispatcher" | "metrics" | "settings">> {
  parallel?: number;
  limit?: number;
  timeoutMs?: number;
  requestMs?: number;
}

export interface FakeServer {
  engine: FakeEngine;
  app: App;
  dispatcher: Dispatcher;
  metrics: Metrics;
  lines: string[];
  /** Sends a request and gives the response. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/** The routes of a server over a fake engine, without a socket. */
export function fakeServer(options: FakeServerOptions = {}): FakeServer {
  const { parallel = 2, limit = 2, timeoutMs = 10_000, requestMs = 10_000, ...rest } = options;
  const engine = new FakeEngine();
  const metrics = new Metrics();
  const dispatcher = new Dispatcher({ engine, metrics, parallel, limit, timeoutMs, requestMs });
  const lines: string[] = [];
  const app = createApp({
    dispatcher,
    metrics,
    settings: { model: "owl", aliases: ["gpt-4o"], maxTokens: 100, maxFrames: 32, maxChoices: 4, created: 1000 },
    guard: { keys: [], hosts: [], origins: [] },
    bodies: { bytes: 1e6, totalBytes: 4e6 },
    media: { maxPictures: 8 },
    log: (line) => lines.push(line),
    ...rest,
  });
  return {
    engine,
    app,
    dispatcher,
    metrics,
    lines,
    post: async (path, body, init = {}) =>
      app.request(`http://localhost${path}`, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
        headers: { "content-type": "application/json", host: "localhost", ...init.headers },
      }),
    get: async (path, headers = {}) =>
      app.request(`http://localhost${path}`, { headers: { host: "localhost", ...headers } }),
  };
}

/** The data of server-sent events. */
export async function events(response: Response): Promise<string[]> {
  return (await response.text())
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => event.replace(/^(event: .*\n)?data: /, ""));
}
