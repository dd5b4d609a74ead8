/** A part of a clip that is asked about: its time in seconds, and which of the clip's sampled frames it shows. */
export interface Window {
  start: number;
  end: number;
  /** Indices of the first frame and of the one behind the last. */
  from: number;
  to: number;
}

/** Seconds by which a frame may come early: times are rounded to a clip's time base. */
const tolerance = 1e-3;

/**
 * Cuts the time from `start` to `end` into windows of `length` seconds, one each `stride` seconds, until one reaches the end. A window shows the frames
 * whose times lie in it, else the frame that is on the screen when it begins; `times` are those of the sampled frames, ascending, in seconds. A
 * window that shows what the one before it shows is not asked about again: it makes that one longer.
 */
export function windowsOf(
  times: readonly number[],
  { start, end, length, stride }: { start: number; end: number; length: number; stride: number },
): Window[] {
  const windows: Window[] = [];
  let from = 0;
  let to = 0;
  for (let i = 0, last = false; !last; i++) {
    const begin = start + i * stride;
    last = begin + Math.max(length, stride) >= end - tolerance;
    while (from < times.length && (times[from] as number) < begin - tolerance) from++;
    while (to < times.length && (times[to] as number) < begin + length - tolerance) to++;
    if (last && stride <= length) to = times.length;
    const shown = from < to ? { from, to } : { from: Math.max(0, from - 1), to: Math.max(1, from) };
    const before = windows.at(-1);
    const stop = Math.min(begin + length, end);
    if (before?.from === shown.from && before.to === shown.to) before.end = stop;
    else windows.push({ start: begin, end: stop, ...shown });
  }
  return windows;
}
