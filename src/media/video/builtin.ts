/**
 * Runs the decoder that comes with the package, FFmpeg compiled to WebAssembly (@ffmpeg/core), in a worker thread. The worst that a hostile
 * file can do is to corrupt the WebAssembly memory of that worker, which has no network and sees no file but the clip.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { UserError } from "../../errors.js";
import { cleanLog, DecoderFailure, DecoderTimeout, inputArgs, type Runner, type RunOptions } from "./runner.js";
import type { WasmReply, WasmRequest, WasmWorkerData } from "./wasm-worker.js";

/** Pieces that may wait between worker and reader. */
const piecesAhead = 2;

/** FFmpeg's main() leaks some memory; after many runs in one instance it fails with an access out of bounds. */
const runsPerWorker = 12;

export function createBuiltinRunner(file: string): Runner {
  let worker: Worker | undefined;
  let runs = 0;

  async function* run(
    request: Omit<WasmRequest, "credit">,
    options: RunOptions,
  ): AsyncGenerator<WasmReply, void, void> {
    options.signal?.throwIfAborted();
    if (runs >= runsPerWorker) await stop();
    worker ??= await startWorker(file);
    options.signal?.throwIfAborted();
    runs++;
    const own = worker;
    const credit = new Int32Array(new SharedArrayBuffer(4));
    const queue: WasmReply[] = [];
    let wake = () => {};
    const push = (reply: WasmReply) => {
      queue.push(reply);
      wake();
    };
    let ended = false;
    const onMessage = (reply: WasmReply) => push(reply);
    const onFailure = (error: Error) => push({ type: "failed", log: String(error.message) });
    const onAbort = () => push({ type: "failed", log: "aborted" });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      push({ type: "failed", log: "timeout" });
    }, options.timeoutMs);
    own.on("message", onMessage).on("error", onFailure);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    own.ref();
    own.postMessage({ ...request, credit } satisfies WasmRequest);
    try {
      while (!ended) {
        while (queue.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        const reply = queue.shift() as WasmReply;
        if (reply.type === "failed") {
          options.signal?.throwIfAborted();
          if (timedOut) throw new DecoderTimeout(options.timeoutMs);
          throw new DecoderFailure(cleanLog(reply.log));
        }
        ended = reply.type === "done";
        yield reply;
        if (reply.type === "piece") {
          Atomics.sub(credit, 0, 1);
          Atomics.notify(credit, 0);
        }
      }
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      own.off("message", onMessage).off("error", onFailure);
      own.unref();
      if (!ended) await stop(); // still decoding, or broken: the next run starts a new one
    }
  }

  async function stop() {
    const own = worker;
    worker = undefined;
    runs = 0;
    own?.on("error", () => {});
    await own?.terminate();
  }

  return {
    kind: "builtin",
    framesPerRun: 60,

    async probe(demuxer, args, options) {
      const request = { tool: "ffprobe" as const, args: [...wasmArgs, ...inputArgs(demuxer), ...args], chunkBytes: 0 };
      for await (const reply of run({ ...request, ahead: piecesAhead }, options))
        if (reply.type === "done") return { text: reply.text, complaints: cleanLog(reply.log) };
      throw new DecoderFailure([]);
    },

    async *decode(demuxer, before, after, chunkBytes, options) {
      const args = [
        "-nostdin",
        "-y",
        ...wasmArgs,
        ...inputArgs(demuxer),
        ...before,
        "-i",
        "/w/in",
        ...after,
        "/dev/out",
      ];
      for await (const reply of run({ tool: "ffmpeg", args, chunkBytes, ahead: piecesAhead }, options)) {
        if (reply.type === "piece") yield reply.piece;
        else if (reply.type === "done" && reply.code !== 0) throw new DecoderFailure(cleanLog(reply.log));
      }
    },

    close: stop,
  };
}

const wasmArgs = ["-hide_banner", "-v", "error"];

/** The path of the WebAssembly core's script, or null where the optional dependency is not installed. */
export function builtinCore(): string | null {
  try {
    return createRequire(import.meta.url).resolve("@ffmpeg/core");
  } catch {
    return null;
  }
}

/** The core, compiled once for all workers of the process: for each of them anew it took 150 ms and more memory with every clip. */
let compiled: Promise<WebAssembly.Module> | undefined;

function compile(core: string): Promise<WebAssembly.Module> {
  compiled ??= readFile(core.replace(/\.js$/, ".wasm"))
    .then((bytes) => WebAssembly.compile(bytes))
    .catch((error) => {
      compiled = undefined; // for want of memory or descriptors, maybe, which pass
      throw error;
    });
  return compiled;
}

async function startWorker(file: string): Promise<Worker> {
  const core = builtinCore();
  if (core === null)
    throw new UserError(
      "The built-in video decoder is not installed: run `npm install @ffmpeg/core`, or install ffmpeg.",
    );
  const module = await compile(core);
  // Under the test runner this file is TypeScript, which a worker can't load: it takes the built one.
  const built = import.meta.url.endsWith(".ts") ? "../../../dist/media/video/wasm-worker.js" : "./wasm-worker.js";
  return new Worker(new URL(built, import.meta.url), {
    workerData: { core, module, file } satisfies WasmWorkerData,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
}
