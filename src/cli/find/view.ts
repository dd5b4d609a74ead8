import { joinSpans, rankByProbability, type Scored, type SpanOptions } from "../../find/spans.js";
import { safeLine } from "../filter.js";
import { clock, percent } from "../format.js";
import type { Output } from "../output.js";
import type { Looked } from "./look.js";

/** A picture, or a span of a clip in seconds. */
export interface Found {
  path: string;
  probability: number;
  start?: number;
  end?: number;
}

/**
 * Chooses the most probable pictures and windows, and joins the windows of a clip to spans. The medium with the most probable one comes first; the spans
 * of a clip are in the order of time.
 */
export function chooseFound(looked: readonly Looked[], options: SpanOptions): Found[] {
  const all = looked.flatMap((one): { one: Looked; probability: number; window?: Scored }[] =>
    one.kind === "picture"
      ? [{ one, probability: one.probability }]
      : one.windows.map((window) => ({ one, probability: window.probability, window })),
  );
  const byMedium = new Map<Looked, Scored[]>();
  for (const { one, window } of rankByProbability(all, options))
    byMedium.set(one, [...(byMedium.get(one) ?? []), ...(window ? [window] : [])]);
  return [...byMedium].flatMap(([one, windows]): Found[] =>
    one.kind === "picture"
      ? [{ path: one.path, probability: one.probability }]
      : joinSpans(windows).map((span) => ({ path: one.path, ...span })),
  );
}

/** Prints a line for each thing found; `quiet`: without probabilities, and without the path of an only clip. */
export function printFound(
  out: Output,
  found: readonly Found[],
  { quiet, only }: { quiet: boolean; only: boolean },
): void {
  for (const { path, probability, start, end } of found) {
    const time = start === undefined || end === undefined ? [] : [`${clock(start)}-${clock(end)}`];
    const parts = quiet
      ? [...(only && time.length > 0 ? [] : [safeLine(path)]), ...time]
      : [percent(probability).padStart(7), ...time, safeLine(path)];
    out.line(parts.join("  "));
  }
}

/** Says how near the most probable thing came where nothing was found. */
export function nothingFound(looked: readonly Looked[], threshold: number): string {
  const [best] = chooseFound(looked, { top: 1 });
  if (!best) return "There was nothing to look at.";
  const { path, probability, start, end } = best;
  const where = start === undefined || end === undefined ? path : `${clock(start)}-${clock(end)} of ${path}`;
  return `Nothing reaches ${percent(threshold)}: the most probable is ${where} with ${percent(probability)} (--top 1 or --threshold shows it).`;
}
