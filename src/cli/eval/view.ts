import type { Format } from "../../eval/question.js";
import type { Summary } from "../../eval/summary.js";

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** A summary as lines of text: the metrics, then a table for each way of grouping. */
export function summaryLines(format: Format, { questions, answered, failed, metrics, groups }: Summary): string[] {
  const lines = [format.about, `${answered} of ${questions} questions count${failed > 0 ? `, ${failed} failed` : ""}`];
  const width = Math.max(
    0,
    ...[...metrics.map(({ name }) => name), ...Object.values(groups).flatMap(Object.keys)].map(({ length }) => length),
  );
  for (const { name, value } of metrics) lines.push(`  ${name.padEnd(width)}  ${percent(value).padStart(8)}`);
  for (const [name, parts] of Object.entries(groups)) {
    lines.push(`by ${name}`);
    for (const [value, part] of Object.entries(parts))
      lines.push(`  ${value.padEnd(width)}  ${percent(part.score).padStart(8)}  ${part.questions}`);
  }
  return lines;
}

/** A summary as `--json` prints it. */
export function summaryJson(summary: Summary, about: { model: string; score: string; results: string }): unknown {
  const { format, questions, answered, failed, metrics, groups } = summary;
  return {
    format,
    model: about.model,
    score_by: about.score,
    results: about.results,
    questions: { asked: questions, counted: answered, failed },
    score: metrics[0]?.value ?? null,
    metrics: Object.fromEntries(metrics.map(({ name, value }) => [name.replaceAll(/[ -]/g, "_").toLowerCase(), value])),
    groups,
  };
}
