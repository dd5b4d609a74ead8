import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Scores } from "../chat/score.js";
import { temporaryFolder } from "../files.js";
import { Channel } from "./channel.js";
import type { Engine, EngineStatus } from "./engine.js";
import { EngineError, fromFault } from "./fault.js";
import type {
  AnswerEvent,
  AnswerRequest,
  EngineMemory,
  EngineOptions,
  FromEngine,
  ModelInfo,
  ScoreRequest,
  ToEngine,
} from "./protocol.js";

export interface EngineProcessOptions {
  engine: EngineOptions;
  /** Takes a line for the server's log; it never holds text of a request. */
  log?: (line: string) => void;
  /** Milliseconds before the first start after a crash; each further one waits twice as long. */
  backoffMs?: number;
  /** Milliseconds after which a request that was stopped has to be over; if it is not, a call of the engine hangs, and the process is killed. */
  stopMs?: number;
}

/** An engine that crashes this often within a minute is not started again. */
const maxCrashes = 3;
const crashWindowMs = 60_000;

/**
 * Tells glibc, which others ignore, to give the memory of pictures and frames back when they are done with: by default each of many threads has a heap
 * of its own, and these grow to ten times of what is in use.
 */
const allocation = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: String(256 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 20),
};

interface Running {
  channel: Channel<AnswerEvent | { type: "scores"; scores: Scores }>;
}

/**
 * The engine in a process of its own: damaged media or a fault of the engine end that process and not the server. Its running requests fail, and it is
 * started again.
 */
export class EngineProcess implements Engine {
  readonly #options: Required<EngineProcessOptions>;
  readonly #running = new Map<number, Running>();
  readonly #listeners: ((status: EngineStatus) => void)[] = [];
  #child: ChildProcess | undefined;
  #status: EngineStatus = "loading";
  #info: ModelInfo | undefined;
  #memory: EngineMemory | undefined;
  #crashes: number[] = [];
  #restarts = 0;
  #timer: NodeJS.Timeout | undefined;
  #next = 0;
  #opened: { resolve: (info: ModelInfo) => void; reject: (error: Error) => void } | undefined;

  private constructor(options: EngineProcessOptions) {
    this.#options = { log: () => {}, backoffMs: 500, stopMs: 60_000, ...options };
  }

  /** Starts the process. `opened` tells how the first opening of the model ends; later ones are tried again as after a crash. */
  static start(options: EngineProcessOptions): { engine: EngineProcess; opened: Promise<ModelInfo> } {
    const engine = new EngineProcess(options);
    const opened = new Promise<ModelInfo>((resolve, reject) => {
      engine.#opened = { resolve, reject };
    });
    engine.#start();
    return { engine, opened };
  }

  get status(): EngineStatus {
    return this.#status;
  }
  get info(): ModelInfo | undefined {
    return this.#info;
  }
  get memory(): EngineMemory | undefined {
    return this.#memory;
  }
  get restarts(): number {
    return this.#restarts;
  }
  /** The number of the process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  onStatus(listener: (status: EngineStatus) => void): void {
    this.#listeners.push(listener);
  }

  async *answer(request: AnswerRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent, void, void> {
    for await (const event of this.#ask((id) => ({ type: "answer", id, request }), signal))
      if (event.type !== "scores") yield event;
  }

  async score(request: ScoreRequest, signal: AbortSignal): Promise<Scores> {
    for await (const event of this.#ask((id) => ({ type: "score", id, request }), signal))
      if (event.type === "scores") return event.scores;
    throw new EngineError("internal", "the engine gave no scores.");
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#become("closed");
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.disconnect(); // the process ends itself
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await exited;
    clearTimeout(timer);
  }

  #become(status: EngineStatus): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }

  #start(): void {
    // Under the test runner this file is TypeScript, which a process can't load: it takes the built one.
    const built = import.meta.url.endsWith(".ts") ? "../../dist/worker/child.js" : "./child.js";
    // Clips that came as bytes lie in files while they are decoded. They go with the process, however it ends.
    const { folder, remove } = temporaryFolder("owl3-engine-");
    const { OWL3_API_KEY: _, ...env } = process.env;
    const child = fork(fileURLToPath(new URL(built, import.meta.url)), [folder], {
      serialization: "advanced",
      execArgv: [],
      env: { ...allocation, ...env, TMPDIR: folder },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child = child;
    child.on("message", (message) => this.#hear(message as FromEngine));
    child.on("error", () => {}); // 'exit' follows, or the message that could not be sent belongs to a process that has gone
    child.on("exit", (code, signal) => {
      remove();
      this.#ended(code, signal);
    });
    this.#send({ type: "open", options: this.#options.engine });
  }

  #send(message: ToEngine): void {
    if (this.#child?.connected) this.#child.send(message, () => {}); // if it can't be sent, 'exit' tells
  }

  #hear(message: FromEngine): void {
    switch (message.type) {
      case "open":
        this.#info = message.info;
        this.#opened?.resolve(message.info);
        this.#opened = undefined;
        this.#become("ready");
        break;
      case "unopened":
        this.#unopened(fromFault(message.fault));
        break;
      case "memory":
        this.#memory = message.memory;
        break;
      case "event":
        this.#running.get(message.id)?.channel.push(message.event);
        break;
      case "scores":
        this.#running.get(message.id)?.channel.push({ type: "scores", scores: message.scores });
        break;
      case "done": {
        const { channel } = this.#running.get(message.id) ?? {};
        if (message.fault) channel?.fail(fromFault(message.fault));
        else channel?.end();
        this.#running.delete(message.id);
      }
    }
  }

  #unopened(error: EngineError): void {
    if (this.#opened) {
      this.#giveUp(error);
      return;
    }
    this.#options.log(`the model can't be opened again: ${error.message}`);
    this.#child?.kill("SIGKILL"); // counts as a crash
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    this.#memory = undefined;
    const how =
      signal === "SIGKILL" ? "was killed, maybe for lack of memory" : `crashed (${signal ?? `exit code ${code}`})`;
    const crashed = new EngineError("crashed", `the engine ${how}; it is started again.`);
    for (const { channel } of this.#running.values()) channel.fail(crashed);
    this.#running.clear();
    if (this.#status === "closed" || this.#status === "failed") return;
    this.#options.log(`the engine ${how}.`);
    const now = performance.now();
    this.#crashes = [...this.#crashes.filter((at) => now - at < crashWindowMs), now];
    const why = this.#opened
      ? `the engine ${how} while it opened the model.`
      : this.#crashes.length >= maxCrashes
        ? `the engine crashed ${maxCrashes} times within a minute.`
        : undefined;
    if (why !== undefined) {
      this.#giveUp(new EngineError("crashed", why));
      return;
    }
    this.#become("loading");
    this.#timer = setTimeout(
      () => {
        this.#restarts++;
        this.#start();
      },
      this.#options.backoffMs * 2 ** (this.#crashes.length - 1),
    );
  }

  #giveUp(error: EngineError): void {
    this.#become("failed");
    this.#opened?.reject(error);
    this.#opened = undefined;
    this.#child?.kill("SIGKILL");
  }

  /** Sends a request and gives what comes of it. When the reader leaves or the signal is aborted, the engine stops after its current step. */
  async *#ask(
    message: (id: number) => ToEngine,
    signal: AbortSignal,
  ): AsyncGenerator<AnswerEvent | { type: "scores"; scores: Scores }, void, void> {
    signal.throwIfAborted();
    if (this.#status !== "ready") throw new EngineError("unavailable", "the engine is not running.");
    const id = this.#next++;
    const running: Running = { channel: new Channel() };
    this.#running.set(id, running);
    const leave = (): void => running.channel.fail(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#send(message(id));
    try {
      yield* running.channel;
    } finally {
      signal.removeEventListener("abort", leave);
      if (this.#running.has(id)) await this.#stopped(id);
    }
  }

  /** Stops a request and waits until the engine has given its memory back. */
  async #stopped(id: number): Promise<void> {
    const over = new Channel<never>();
    this.#running.set(id, { channel: over });
    this.#send({ type: "abort", id });
    const timer = setTimeout(() => {
      this.#options.log("the engine does not stop; it is killed.");
      this.#child?.kill("SIGKILL");
    }, this.#options.stopMs);
    try {
      for await (const _ of over);
    } catch {
      // It was aborted, or the process has ended.
    } finally {
      clearTimeout(timer);
    }
  }
}
