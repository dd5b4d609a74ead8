/** Splits a stream of bytes to lines. */

export interface Line {
  /** Without the separator; empty if the line is too long. */
  bytes: Buffer;
  /** Whether its separator came; only the last line may lack it. */
  whole: boolean;
  /** It has more bytes than are kept. */
  tooLong: boolean;
  /** Bytes with the separator. */
  length: number;
}

/** Longest line in bytes: pictures in data: URLs fit, and a file without line breaks does not fill the memory. */
export const maxLine = 256 * 2 ** 20;

/** Yields each line as soon as its separator (a byte; a newline by default) has come. */
export async function* splitLines(
  stream: AsyncIterable<Uint8Array>,
  { separator = 10, max = maxLine }: { separator?: number; max?: number } = {},
): AsyncGenerator<Line, void, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const line = (whole: boolean): Line => {
    const tooLong = length > max;
    const bytes = tooLong ? Buffer.alloc(0) : Buffer.concat(parts);
    const made = { bytes, whole, tooLong, length: length + (whole ? 1 : 0) };
    parts = [];
    length = 0;
    return made;
  };
  const add = (piece: Uint8Array): void => {
    length += piece.length;
    if (length > max) parts = [];
    else if (piece.length > 0) parts.push(piece);
  };
  for await (const chunk of stream) {
    let from = 0;
    for (let at = chunk.indexOf(separator); at >= 0; at = chunk.indexOf(separator, from)) {
      add(chunk.subarray(from, at));
      yield line(true);
      from = at + 1;
    }
    add(chunk.subarray(from));
  }
  if (length > 0) yield line(false);
}

/** The object that a line of JSON is; undefined if it is anything else, also when it is no UTF-8. */
export function parseObject(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
