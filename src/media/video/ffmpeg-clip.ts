/** Decodes frames of a clip with ffmpeg: plans its runs and the position at which each starts, and converts its output. */
import { FileError } from "../../errors.js";
import type { RgbImage } from "../../prompt/messages.js";
import type { Clip, ClipFrame } from "./clip.js";
import type { Container } from "./container.js";
import { type Limits, type Probe, probeClip, type Timeline } from "./probe.js";
import { DecoderFailure, type Runner } from "./runner.js";
import { yuv420Bytes, yuv420ToRgb } from "./yuv.js";

export async function openFfmpegClip(
  runner: Runner,
  container: Container,
  name: string,
  limits: Limits,
  signal?: AbortSignal,
): Promise<Clip> {
  const probe = await probeClip(runner, container, name, limits, signal);
  return {
    info: probe.info,
    times: probe.timeline.times,
    decoder: runner.kind,
    decode: (indices, abort) => decode(runner, container, name, limits, probe, indices, abort),
    close: () => runner.close(),
  };
}

async function* decode(
  runner: Runner,
  container: Container,
  name: string,
  limits: Limits,
  probe: Probe,
  indices: readonly number[],
  signal?: AbortSignal,
): AsyncGenerator<ClipFrame, void, void> {
  const { info, format, timeline } = probe;
  const { width, height } = info;
  const bytes = format.kind === "yuv420" ? yuv420Bytes(width, height) : width * height * 3;
  for (const run of planRuns(timeline, indices, runner.framesPerRun)) {
    const chosen = selection(run.indices.map((k) => k - run.first));
    // The format comes first, so that a frame size that changes midway can't change which planes are converted.
    const formats = format.kind === "yuv420" ? "yuv420p|yuvj420p" : "rgb24";
    const filter = `select='${chosen}',format=${formats},scale=${width}:${height}`;
    const before = ["-max_pixels", String(limits.pixels), ...(run.seek === null ? [] : ["-ss", run.seek.toFixed(6)])];
    const count = run.indices.length;
    const after = [
      "-map",
      "0:V:0",
      "-vf",
      filter,
      "-vsync",
      "passthrough",
      "-frames:v",
      String(count),
      "-f",
      "rawvideo",
    ];
    let at = 0;
    try {
      for await (const piece of runner.decode(container, before, after, bytes, {
        signal,
        timeoutMs: limits.timeoutMs,
      })) {
        const index = run.indices[at++];
        if (index === undefined) break;
        const data =
          format.kind === "yuv420" ? yuv420ToRgb(piece, width, height, format.matrix, format.fullRange) : piece;
        yield { index, time: timeline.times[index] as number, image: { width, height, data } satisfies RgbImage };
      }
    } catch (error) {
      if (!(error instanceof DecoderFailure)) throw error;
      if (at < count) throw new FileError(`${name} can't be decoded: ${error.message}.`, { cause: error });
    }
    if (at < count) throw new FileError(`${name} is damaged: its frame ${run.indices[at]} can't be decoded.`);
  }
}

/** Builds an expression that is true for these frames: a balanced tree, since ffmpeg refuses sums of more than a hundred terms. */
function selection(frames: readonly number[]): string {
  const [first = 0, ...rest] = frames;
  if (rest.length === 0) return `eq(n\\,${first})`;
  const last = rest.at(-1) as number;
  if (last - first === rest.length) return `between(n\\,${first}\\,${last})`;
  const half = frames.length >> 1;
  return `(${selection(frames.slice(0, half))}+${selection(frames.slice(half))})`;
}

interface Run {
  /** Index of the first frame that this run decodes. */
  first: number;
  /** Seconds to seek to; null: the run starts at the beginning. */
  seek: number | null;
  indices: number[];
}

/**
 * Groups ascending indices into runs of ffmpeg. A new run starts at a key frame when that saves decoding more frames than starting it costs.
 * A seek aims at the middle between two frames' times, so that no rounding can hit the wrong one.
 */
export function planRuns(timeline: Timeline, indices: readonly number[], framesPerRun: number): Run[] {
  const runs: Run[] = [];
  const { pts, key } = timeline;
  let decoded = 0; // frames that the current run has decoded
  for (const k of indices) {
    const current = runs.at(-1);
    if (pts && k > 0 && (pts[k] as number) > (pts[k - 1] as number)) {
      let start = k;
      while (start > 0 && key[start] === 0 && k - start < k - decoded) start--;
      if (k - decoded > k - start + framesPerRun) {
        const middle = ((pts[k] as number) + (pts[k - 1] as number)) / 2;
        runs.push({ first: k, seek: middle * timeline.timeBase - timeline.startTime, indices: [k] });
        decoded = k + 1;
        continue;
      }
    }
    if (current) current.indices.push(k);
    else runs.push({ first: 0, seek: null, indices: [k] });
    decoded = k + 1;
  }
  return runs;
}
