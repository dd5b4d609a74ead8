import { accuracy, groupedBy, mean, unitScores } from "./metrics.js";
import type { Format, Metric, Outcome } from "./question.js";

export interface Summary {
  format: string;
  /** Questions that were to be asked. */
  questions: number;
  /** Those of them that count, and those that failed in this run. */
  answered: number;
  failed: number;
  /** The number that is published first comes first; none without an outcome. */
  metrics: Metric[];
  /** For each way of grouping, the score of each group. */
  groups: Record<string, Record<string, { score: number; questions: number }>>;
}

/** Sums up the outcomes of `questions` questions, of which `failed` failed. A unit with a question that failed does not count. */
export function summarise(format: Format, outcomes: readonly Outcome[], questions: number, failed: number): Summary {
  const metrics = outcomes.length > 0 ? (format.metrics ?? accuracy)(outcomes) : [];
  const names = [...new Set(outcomes.flatMap(({ groups }) => Object.keys(groups)))];
  const groups = names.map((name) => {
    const parts = groupedBy(
      outcomes.filter(({ groups }) => groups[name] !== undefined),
      name,
    ).map(([value, part]): [string, { score: number; questions: number }] => [
      value,
      { score: mean(unitScores(part)), questions: part.length },
    ]);
    return [name, Object.fromEntries(parts.sort(([a], [b]) => (a < b ? -1 : 1)))] as const;
  });
  return {
    format: format.name,
    questions,
    answered: outcomes.length,
    failed,
    metrics,
    groups: Object.fromEntries(groups),
  };
}
