import { Channel } from "../worker/channel.js";
import type { Engine } from "../worker/engine.js";
import { EngineError } from "../worker/fault.js";
import type { AnswerEvent, AnswerRequest, ScoreRequest } from "../worker/protocol.js";
import { ApiError } from "./errors.js";
import type { Metrics } from "./metrics.js";
import { Queue, type QueueOptions } from "./queue.js";
import { Suspects } from "./suspects.js";

export interface DispatcherOptions extends QueueOptions {
  engine: Engine;
  metrics: Metrics;
  /** Milliseconds that a request may run. */
  requestMs: number;
}

type Scores = Awaited<ReturnType<Engine["score"]>>;

/** Decides which request goes to the engine and when. */
export class Dispatcher {
  readonly #engine: Engine;
  readonly #metrics: Metrics;
  readonly #queue: Queue;
  readonly #suspects = new Suspects();
  readonly #requestMs: number;
  readonly #end = new AbortController();
  #draining = false;
  #idle: (() => void)[] = [];

  constructor({ engine, metrics, requestMs, ...options }: DispatcherOptions) {
    this.#engine = engine;
    this.#metrics = metrics;
    this.#requestMs = requestMs;
    this.#queue = new Queue(options);
    this.#queue.hold(engine.status !== "ready");
    engine.onStatus((status) => {
      this.#queue.hold(status !== "ready");
      if (status === "failed") this.#queue.refuse(new ApiError(503, "engine_failed", "the engine can't be started."));
    });
    metrics.gauge("owl3:num_requests_running", "Requests that the engine works on.", () => this.#queue.running);
    metrics.gauge("owl3:num_requests_waiting", "Requests that wait for their turn.", () => this.#queue.waiting);
    metrics.gauge("owl3:engine_up", "Whether the engine takes requests.", () => (engine.status === "ready" ? 1 : 0));
    metrics.counterOf("owl3:engine_restarts_total", "Starts of the engine after a crash.", () => engine.restarts);
    metrics.memory(() => engine.memory);
  }

  get engine(): Engine {
    return this.#engine;
  }

  /** Whether requests are taken: "ok", or why they are not. */
  get status(): "ok" | "loading" | "draining" | "failed" {
    if (this.#draining) return "draining";
    if (this.#engine.status === "ready") return "ok";
    return this.#engine.status === "loading" ? "loading" : "failed";
  }

  /**
   * Gives an answer when it is its turn. Nothing happens before the first event is asked for; from then on the engine works as fast as it can, so that a
   * slow reader keeps no place. Who leaves stops it.
   */
  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent, void, void> {
    const left = new AbortController();
    const channel = new Channel<AnswerEvent>();
    this.#work(request, AbortSignal.any([signal, left.signal]), channel).then(
      () => channel.end(),
      (error: unknown) => channel.fail(error),
    );
    try {
      yield* channel;
    } finally {
      left.abort();
    }
  }

  async score(request: ScoreRequest, signal: AbortSignal): Promise<Scores> {
    const one = async function* (this: Dispatcher, either: AbortSignal) {
      yield await this.#engine.score(request, either);
    }.bind(this);
    for await (const scores of this.#run(request, 1, signal, one)) return scores;
    throw new ApiError(500, "internal_error", "the engine gave no scores.");
  }

  async #work(request: AnswerRequest, signal: AbortSignal, channel: Channel<AnswerEvent>): Promise<void> {
    const started = performance.now();
    let last: number | undefined;
    for await (const event of this.#run(request, request.n, signal, (either) => this.#engine.answer(request, either))) {
      const now = performance.now();
      if (event.type === "piece") {
        if (last === undefined) this.#metrics.firstToken.observe((now - started) / 1000);
        else this.#metrics.interToken.observe((now - last) / 1000);
        last = now;
      } else if (event.type === "end") this.#metrics.answered(event, (now - started) / 1000);
      channel.push(event);
    }
  }

  /** Takes no further request and waits until those that run or wait are over, at most `ms`; then the rest is ended with an error. */
  async drain(ms: number): Promise<void> {
    this.#draining = true;
    if (this.#queue.running + this.#queue.waiting === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      setTimeout(resolve, ms).unref();
    });
    this.#end.abort(new ApiError(503, "shutdown", "the server ends."));
    this.#queue.refuse(new ApiError(503, "shutdown", "the server ends."));
  }

  /** Runs work on the engine when it is its turn. Errors are ApiErrors, EngineErrors, or the signal's reason. */
  async *#run<T>(
    request: unknown,
    weight: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, void> {
    this.#check();
    const known = this.#suspects.lookUp(request);
    if (known === "guilty")
      throw new ApiError(400, "request_refused", "this request crashed the engine twice; it is not run again.");
    const alone = known === "suspect";
    const timeout = new AbortController();
    const either = AbortSignal.any([signal, this.#end.signal, timeout.signal]);
    const place = await this.#queue.enter({ weight, alone, signal: either });
    const timer = setTimeout(
      () =>
        timeout.abort(new EngineError("timeout", `the request took longer than ${this.#requestMs / 1000} seconds.`)),
      this.#requestMs,
    );
    try {
      yield* work(either);
      this.#suspects.cleared(request);
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crashed") this.#suspects.crashed(request, alone);
      throw error;
    } finally {
      clearTimeout(timer);
      place.leave();
      if (this.#queue.running + this.#queue.waiting === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #check(): void {
    const { status } = this;
    if (status === "ok") return;
    if (status === "failed") throw new ApiError(503, "engine_failed", "the engine can't be started.");
    const why = status === "loading" ? "the model is being loaded." : "the server ends and takes no more requests.";
    throw new ApiError(503, status, why, { retryAfter: status === "loading" ? 5 : 30 });
  }
}
