/** Chooses the frames of a clip that the model sees, by the reference's rule or by the user's options. */
import { UsageError } from "../../errors.js";
import type { FrameChoice } from "../../prompt/messages.js";

export interface SamplingOptions extends FrameChoice {
  /**
   * "reference" (default): every frame at the rate, and the middles of equal parts of them if these are too many. "middles": the middles of maxFrames
   * equal intervals of all frames, which published evaluations look at; the rate has no effect.
   */
  rule?: "reference" | "middles";
}

/** Maximum number of frames of one clip: no prompt holds more. */
export const maxSampledFrames = 4096;

/**
 * Returns the indices of the frames to decode, ascending. `times[k]` is the time of frame k in seconds from the first; `fps` is the average rate.
 * The rule is the reference's: every r-th frame, r = max(1, round(average fps / frames a second)) with Python's rounding, and if these are
 * more than N, the middles of N equal parts of them.
 */
export function sampleFrames(times: ArrayLike<number>, fps: number, options: SamplingOptions = {}): number[] {
  const count = times.length;
  if (options.frames) {
    const past = options.frames.find((k) => k >= count);
    if (past !== undefined)
      throw new UsageError(`frame ${past} is past the clip's end: it has ${count} frames, counted from 0.`);
    return [...new Set(options.frames)].sort((a, b) => a - b);
  }
  const { start = 0, end = Number.POSITIVE_INFINITY, maxFrames = 16 } = options;
  if (end <= start) throw new UsageError("the end of the part to look at must lie after its start.");
  const inside: number[] = [];
  for (let k = 0; k < count; k++) if ((times[k] as number) >= start && (times[k] as number) < end) inside.push(k);
  if (inside.length === 0 && count > 0)
    throw new UsageError(
      `no frame lies between ${start} s and ${end === Number.POSITIVE_INFINITY ? "the end" : `${end} s`}: the clip's last frame is at ${(times[count - 1] as number).toFixed(2)} s.`,
    );
  if (options.rule === "middles") return middles(inside, Math.min(maxFrames, maxSampledFrames));
  const stride = Math.min(Math.max(1, roundHalfEven(saneRate(times, fps) / (options.fps ?? 1))), Math.max(1, count));
  return uniform(
    inside.filter((_, i) => i % stride === 0),
    Math.min(maxFrames, maxSampledFrames),
  );
}

/** Takes n of the items, the i-th at int(i * gap + gap / 2), or all if there are no more than n. */
export function uniform<T>(items: readonly T[], n: number): T[] {
  if (items.length <= n) return [...items];
  const gap = items.length / n;
  return Array.from({ length: n }, (_, i) => items[Math.trunc(i * gap + gap / 2)] as T);
}

/** Takes the middle of each of n intervals, whose ends are rounded down as numpy's linspace().astype(int) does; all if there are no more than n. */
function middles(items: readonly number[], n: number): number[] {
  if (items.length <= n) return [...items];
  const ends = Array.from({ length: n + 1 }, (_, i) => (i === n ? items.length : Math.trunc(i * (items.length / n))));
  return Array.from({ length: n }, (_, i) => {
    const [from, to] = [ends[i] as number, ends[i + 1] as number];
    return items[Math.floor((from + to - 1) / 2)] as number;
  });
}

/** Rounds halves to the even neighbour, as Python's round() does. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest < 0.5) return below;
  if (rest > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** Parses "90", "1:30" or "1:02:03.5" to seconds; NaN for anything else. */
export function parseTime(text: string): number {
  const match = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)$/.exec(text.trim());
  if (!match) return Number.NaN;
  const [, hours = "0", minutes = "0", seconds = "0"] = match;
  if (match[2] !== undefined && (Number(seconds) >= 60 || (match[1] !== undefined && Number(minutes) >= 60)))
    return Number.NaN;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** The average rate of the header, or that of the frame times if the header has none or an absurd one. */
function saneRate(times: ArrayLike<number>, fps: number): number {
  if (Number.isFinite(fps) && fps > 0 && fps <= 1000) return fps;
  const last = times[times.length - 1] ?? 0;
  const rate = (times.length - 1) / last;
  return Number.isFinite(rate) && rate > 0 ? Math.min(rate, 1000) : 1;
}
