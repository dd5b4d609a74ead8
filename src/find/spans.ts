/** A part of a clip and how probable it is that it shows what is looked for. Times are in seconds. */
export interface Scored {
  start: number;
  end: number;
  probability: number;
}

export interface SpanOptions {
  /** Windows below it are left out; default: 0.5, or 0 where `top` is given. */
  threshold?: number | undefined;
  /** The most probable windows that are taken; default: all. */
  top?: number | undefined;
}

/** From here on the answer is rather yes than anything else. */
export const defaultThreshold = 0.5;

/** Seconds between two windows that still touch: their ends are sums of rounded numbers. */
const tolerance = 1e-3;

/** The most probable things, the most probable first; among equals the earlier. */
export function rankByProbability<T extends { probability: number }>(
  things: readonly T[],
  { top, threshold = top === undefined ? defaultThreshold : 0 }: SpanOptions,
): T[] {
  const ranked = things.filter(({ probability }) => probability >= threshold);
  return ranked.sort((a, b) => b.probability - a.probability).slice(0, top);
}

/** Joins windows that touch or overlap; a span is as probable as its most probable window. Returned in the order of time. */
export function joinSpans<T extends Scored>(windows: readonly T[]): Scored[] {
  const spans: Scored[] = [];
  for (const { start, end, probability } of [...windows].sort((a, b) => a.start - b.start)) {
    const last = spans.at(-1);
    if (last && start <= last.end + tolerance) {
      last.end = Math.max(last.end, end);
      last.probability = Math.max(last.probability, probability);
    } else spans.push({ start, end, probability });
  }
  return spans;
}
