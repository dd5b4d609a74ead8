/** Runs the ffmpeg and ffprobe of this machine, each in a child process. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import path from "node:path";
import {
  cleanLog,
  commonArgs,
  DecoderFailure,
  DecoderTimeout,
  inputArgs,
  type Runner,
  type RunOptions,
} from "./runner.js";

/** Limit for the output of ffprobe, which is a line a packet: some ten million packets. */
const maxProbeBytes = 256 << 20;

export function createSystemRunner(file: string): Runner {
  const input = `file:${path.resolve(file)}`;
  const running = new Set<ChildProcess>();

  function start(program: string, args: string[], options: RunOptions) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    running.add(child);
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-8192);
    });
    let timedOut = false;
    const kill = () => child.kill("SIGKILL");
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs);
    options.signal?.addEventListener("abort", kill, { once: true });
    if (options.signal?.aborted) kill();
    const closed = new Promise<number>((resolve) => {
      child.once("error", () => resolve(-1));
      child.once("close", (code) => resolve(code ?? -1));
    }).finally(() => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", kill);
      running.delete(child);
    });
    /** Waits for the end of the run and throws if it failed. */
    const finish = async () => {
      const code = await closed;
      options.signal?.throwIfAborted();
      if (timedOut) throw new DecoderTimeout(options.timeoutMs);
      if (code !== 0) throw new DecoderFailure(cleanLog(log));
      return cleanLog(log);
    };
    return { child, closed, finish, kill };
  }

  return {
    kind: "system",
    framesPerRun: 60,

    async probe(demuxer, args, options) {
      const run = start("ffprobe", [...commonArgs, ...inputArgs(demuxer), ...args, "-i", input], options);
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of run.child.stdout) {
        bytes += part.length;
        if (bytes > maxProbeBytes) run.kill();
        else parts.push(part);
      }
      const complaints = await run.finish();
      return { text: Buffer.concat(parts).toString("utf8"), complaints };
    },

    async *decode(demuxer, before, after, chunkBytes, options) {
      const threads = String(Math.min(4, availableParallelism()));
      const args = ["-nostdin", ...commonArgs, ...inputArgs(demuxer), "-threads", threads, ...before, "-i", input];
      const run = start("ffmpeg", [...args, ...(await fpsMode(after)), "pipe:1"], options);
      try {
        yield* regroup(run.child.stdout, chunkBytes);
        await run.finish();
      } finally {
        run.kill();
        await run.closed;
      }
    },

    async close() {
      for (const child of running) child.kill("SIGKILL");
    },
  };
}

let found: Promise<{ version: string } | null> | undefined;

/** Finds the ffmpeg on PATH; null unless both it and ffprobe run. */
export function systemFfmpeg(): Promise<{ version: string } | null> {
  found ??= Promise.all([versionOf("ffmpeg"), versionOf("ffprobe")]).then(([ffmpeg, ffprobe]) =>
    ffmpeg !== undefined && ffprobe !== undefined ? { version: ffmpeg } : null,
  );
  return found;
}

/** The version that a program of FFmpeg tells; undefined if it doesn't run. */
function versionOf(program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, ["-version"], { timeout: 10_000, windowsHide: true }, (error, stdout) =>
      resolve(error ? undefined : /^\w+ version (\S+)/.exec(stdout)?.[1]),
    );
  });
}

/** Renames "-vsync", which is "-fps_mode" from ffmpeg 6 on (and in builds whose version is a hash). */
async function fpsMode(args: string[]): Promise<string[]> {
  const old = /^[1-5]\./.test((await systemFfmpeg())?.version ?? "");
  return args.map((arg) => (arg === "-vsync" && !old ? "-fps_mode" : arg));
}

/** Regroups a stream into pieces of exactly `size` bytes; a shorter rest is dropped. */
async function* regroup(stream: AsyncIterable<Buffer>, size: number): AsyncGenerator<Uint8Array, void, void> {
  let piece = new Uint8Array(size);
  let filled = 0;
  for await (const part of stream) {
    let at = 0;
    while (at < part.length) {
      const n = Math.min(size - filled, part.length - at);
      piece.set(part.subarray(at, at + n), filled);
      filled += n;
      at += n;
      if (filled === size) {
        yield piece;
        piece = new Uint8Array(size);
        filled = 0;
      }
    }
  }
}
