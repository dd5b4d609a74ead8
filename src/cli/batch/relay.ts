import { once } from "node:events";
import type { RowError } from "../../batch/answer.js";
import { type BatchLine, batchResults, errorOf } from "../../batch/lines.js";
import type { OpenAiLine } from "../../batch/openai.js";
import { type Agreement, relayedLine } from "../../batch/relayed.js";
import type { Row } from "../../batch/row.js";
import { UsageError, UserError } from "../../errors.js";
import { parseObject, splitLines } from "../../rows/lines.js";
import type { RowWatch } from "../row-watch.js";
import type { Sink } from "./sink.js";

/**
 * Prints the rows and an empty line for another program, which has them answered (by `owl3 batch --stdin --input relayed`), and takes their lines
 * from stdin as they come. `{"id", "failed"}` instead of a line says why the other program has none; `fail` makes it. Throws UsageError for a
 * line that is none of these rows', and UserError if lines are missing when stdin ends.
 */
export async function relay(
  rows: AsyncIterable<Row>,
  agreement: Agreement,
  { sink, watch, fail }: { sink: Sink; watch: RowWatch; fail: (row: Row, error: RowError) => BatchLine | OpenAiLine },
): Promise<void> {
  const waiting = new Map<string, Row>();
  for await (const row of rows) {
    waiting.set(row.id, row);
    if (!process.stdout.write(`${relayedLine(row, agreement)}\n`)) await once(process.stdout, "drain");
  }
  // Node can't close its standard output before it ends itself.
  process.stdout.write("\n");
  const stop = (): unknown => process.stdin.destroy();
  watch.signal.addEventListener("abort", stop);
  try {
    for await (const { bytes } of splitLines(process.stdin)) {
      const given = parseObject(bytes) as Partial<BatchLine & { failed: unknown }> | undefined;
      const failed = typeof given?.failed === "string" ? given.failed : undefined;
      const id = failed === undefined ? given && batchResults.read(given)?.id : given?.id;
      const row = waiting.get(id ?? "");
      if (!given || !row) throw new UsageError("a line on stdin is not the result of a row that waits for one.");
      waiting.delete(row.id);
      const line =
        failed === undefined
          ? (given as BatchLine | OpenAiLine)
          : fail(row, { code: "engine_crashed", message: failed });
      sink.write(line);
      watch.row(row.id, errorOf(line));
    }
  } catch (error) {
    if (!watch.signal.aborted) throw error;
  }
  if (waiting.size > 0 && !watch.signal.aborted) throw new UserError(`${waiting.size} rows have got no results.`);
}
