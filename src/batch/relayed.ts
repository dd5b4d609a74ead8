/** Rows on their way to another process, perhaps on another machine, which answers them. */
import { ModelFileError, UsageError } from "../errors.js";
import { parseObject, splitLines } from "../rows/lines.js";
import type { RawRow } from "./raw.js";
import type { Row } from "./row.js";

/** Both processes must agree in this, so that a row's line is the same wherever it is made. */
export interface Agreement {
  /** Fingerprint of the model. */
  model: string;
  /** Version of owl3. */
  version: string;
}

/** The line that carries a row. */
export function relayedLine({ id, index, raw }: Row, agreement: Agreement): string {
  const { value, base, options, bad } = raw;
  return JSON.stringify({ id, index, value, base, options, bad, ...agreement });
}

/** Reads rows that relayedLine() wrote. Throws UsageError for other lines, and ModelFileError for rows of another model. */
export async function* readRelayed(
  stream: AsyncIterable<Uint8Array>,
  { model, version }: Agreement,
): AsyncGenerator<RawRow> {
  for await (const { bytes } of splitLines(stream)) {
    if (bytes.length === 0) return; // the end, from a process that goes on
    const line = (parseObject(bytes) ?? {}) as Record<string, unknown>;
    const row = rowOf(line);
    if (!row) throw new UsageError("a line on stdin is no relayed row.");
    if (line.version !== version)
      throw new UsageError(`the rows come from owl3 ${String(line.version)}, and this is owl3 ${version}.`);
    if (line.model !== model) throw new ModelFileError("the rows are for another model than this machine's.");
    yield row;
  }
}

function rowOf({ id, index, value, base, options, bad }: Record<string, unknown>): RawRow | undefined {
  if (typeof id !== "string" || typeof index !== "number" || !Number.isSafeInteger(index) || index < 0)
    return undefined;
  if (typeof value !== "string" && (typeof value !== "object" || value === null || Array.isArray(value)))
    return undefined;
  if (typeof base !== "string" || typeof options !== "boolean") return undefined;
  if (bad !== undefined && typeof bad !== "string") return undefined;
  return { value: value as RawRow["value"], base, options, ...(bad !== undefined && { bad }), place: { id, index } };
}
