import type { Metric, Outcome } from "./question.js";

export const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** The score of each unit: that of its worst question. */
export function unitScores(outcomes: readonly Outcome[]): number[] {
  const units = new Map<string, number>();
  for (const { unit, score } of outcomes) units.set(unit, Math.min(units.get(unit) ?? 1, score));
  return [...units.values()];
}

/** The outcomes for each value of a group, in the order in which the values first occur. */
export function groupedBy(outcomes: readonly Outcome[], group: string): [string, Outcome[]][] {
  const parts = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const value = outcome.groups[group] ?? "";
    const part = parts.get(value);
    if (part) part.push(outcome);
    else parts.set(value, [outcome]);
  }
  return [...parts];
}

export function accuracy(outcomes: readonly Outcome[]): Metric[] {
  return [{ name: "accuracy", value: mean(unitScores(outcomes)) }];
}

/** The accuracy, and its mean over the values of a group, such as tasks. */
export function accuracyByGroup(group: string): (outcomes: readonly Outcome[]) => Metric[] {
  return (outcomes) => {
    const means = groupedBy(outcomes, group).map(([, part]) => mean(unitScores(part)));
    return [{ name: `mean over ${group}s`, value: mean(means) }, ...accuracy(outcomes)];
  };
}

/** The metrics that are published of yes/no questions: their means over the splits. */
export function yesNoMetrics(outcomes: readonly Outcome[]): Metric[] {
  const splits = groupedBy(outcomes, "split").map(([, part]) => yesNo(part));
  const names = Object.keys(splits[0] ?? {});
  return names.map((name) => ({ name, value: mean(splits.map((split) => split[name] as number)) }));
}

function yesNo(outcomes: readonly Outcome[]): Record<string, number> {
  const count = (of: (outcome: Outcome) => boolean): number => outcomes.filter(of).length;
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  const saidYes = count(({ read }) => read === "yes");
  const isYes = count(({ answer }) => answer === "yes");
  const both = count(({ read, answer }) => read === "yes" && answer === "yes");
  const precision = share(both, saidYes);
  const recall = share(both, isYes);
  return {
    accuracy: share(
      count(({ score }) => score === 1),
      outcomes.length,
    ),
    precision,
    recall,
    F1: share(2 * precision * recall, precision + recall),
    "yes ratio": share(saidYes, outcomes.length),
  };
}
