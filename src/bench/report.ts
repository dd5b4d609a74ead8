import { formatBytes } from "../format.js";
import type { BenchResult, Measurement } from "./measure.js";

/** Formats a result as the lines of a table: each measurement's best and median and its share of the machine's limit. */
export function reportLines(result: BenchResult): string[] {
  const { peaks } = result;
  const rows = [["", "best", "median", "reached", "limit", "share"], ...result.measurements.map(row)];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? "").length)));
  const limits = Object.entries(peaks)
    .filter(([, rate]) => rate > 0)
    .map(([name, rate]) => `${name} ${rate.toFixed(0)} Gop/s`);
  if (result.bandwidth > 0) limits.push(`memory ${result.bandwidth.toFixed(1)} GB/s`);
  return [
    `${result.model.name || result.model.path}: ${formatBytes(result.model.weightBytes)} of weights`,
    `${result.backend}, ${result.threads} threads; limits: ${limits.join(", ") || "not measured on this device"}`,
    "",
    ...rows.map((cells) =>
      cells
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    ),
    "",
    `peak memory of one answered picture: ${formatBytes(result.peakMemory)}`,
  ];
}

function row(m: Measurement): string[] {
  const digits = m.unit === "s" ? 3 : 1;
  const figure = (x: number) => `${x.toFixed(digits)} ${m.unit}`;
  if (!m.limit) return [m.name, figure(m.best), figure(m.median), "", "", ""];
  const { of, reached, limit, share } = m.limit;
  const unit = of === "bandwidth" ? "GB/s" : "Gop/s";
  const rate = (x: number) => `${x.toFixed(of === "bandwidth" ? 1 : 0)} ${unit}`;
  const name = of === "bandwidth" ? "" : ` ${of}`;
  if (limit === undefined || share === undefined)
    return [m.name, figure(m.best), figure(m.median), rate(reached) + name, "", ""];
  return [m.name, figure(m.best), figure(m.median), rate(reached), rate(limit) + name, `${(100 * share).toFixed(0)} %`];
}
