/** The two ways to run ffmpeg, behind one interface: a program on this machine, or the WebAssembly build in a worker. */
import { FileError } from "../../errors.js";

export interface RunOptions {
  signal?: AbortSignal | undefined;
  /** Wall-clock limit. */
  timeoutMs: number;
}

export interface Runner {
  readonly kind: "system" | "builtin";
  /** Roughly how many frames could be decoded in the time that one more run of ffmpeg costs. */
  readonly framesPerRun: number;
  /** Runs ffprobe over the input with a fixed demuxer; what it wrote, and its complaints. */
  probe(demuxer: string, args: string[], options: RunOptions): Promise<{ text: string; complaints: string[] }>;
  /** Runs ffmpeg: `before` stands before the input, `after` behind it; yields what it writes, in pieces of `chunkBytes`. */
  decode(
    demuxer: string,
    before: string[],
    after: string[],
    chunkBytes: number,
    options: RunOptions,
  ): AsyncGenerator<Uint8Array, void, void>;
  close(): Promise<void>;
}

/** ffmpeg failed; `complaints` are the last lines it wrote, safe to show. */
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

/** Options every run gets: no terminal, no network, no other protocol, one allocation bounded, only errors logged. */
export const commonArgs = ["-hide_banner", "-v", "error", "-max_alloc", String(1 << 30)];
export const inputArgs = (demuxer: string): string[] => ["-protocol_whitelist", "file,pipe", "-f", demuxer];

/** Lines of a log without heap addresses, control characters and excess. */
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
