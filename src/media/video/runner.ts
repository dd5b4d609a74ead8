/** One interface for two ways to run ffmpeg: as a program on this machine, or as a WebAssembly build in a worker. */
import { FileError } from "../../errors.js";

export interface RunOptions {
  signal?: AbortSignal | undefined;
  /** Wall-clock limit in milliseconds. */
  timeoutMs: number;
}

export interface Runner {
  readonly kind: "system" | "builtin";
  /** The cost of starting ffmpeg, as the number of frames that could be decoded meanwhile (roughly). */
  readonly framesPerRun: number;
  /** Runs ffprobe over the input with a fixed demuxer and returns its output and its error messages. */
  probe(demuxer: string, args: string[], options: RunOptions): Promise<{ text: string; complaints: string[] }>;
  /** Runs ffmpeg with the arguments `before` in front of the input and `after` behind it; yields its output in pieces of `chunkBytes`. */
  decode(
    demuxer: string,
    before: string[],
    after: string[],
    chunkBytes: number,
    options: RunOptions,
  ): AsyncGenerator<Uint8Array, void, void>;
  close(): Promise<void>;
}

/** ffmpeg failed; `complaints` are the last lines that it logged, made safe to show. */
export class DecoderFailure extends Error {
  readonly complaints: string[];
  constructor(complaints: string[]) {
    super(complaints.at(-1) ?? "the decoder failed");
    this.complaints = complaints;
  }
}

export class DecoderTimeout extends FileError {
  constructor(timeoutMs: number) {
    super(`Decoding the clip took longer than ${Math.round(timeoutMs / 1000)} seconds.`);
  }
}

/** Options of every run: no terminal, no network, no other protocol, a limit for each allocation, only errors in the log. */
export const commonArgs = ["-hide_banner", "-v", "error", "-max_alloc", String(1 << 30)];
export const inputArgs = (demuxer: string): string[] => ["-protocol_whitelist", "file,pipe", "-f", demuxer];

/** The last lines of a log without heap addresses, paths and control characters. */
export function cleanLog(log: string): string[] {
  return log
    .split("\n")
    .map((line) =>
      line
        .replace(/\[[^\]]*@ 0x[0-9a-f]+\]\s*/gi, "")
        .replace(/\p{C}/gu, "")
        .replace(/(file:)?\S*\/(in|[^\s/]+): /, "")
        .trim()
        .slice(0, 200),
    )
    .filter((line) => line !== "")
    .slice(-20);
}
