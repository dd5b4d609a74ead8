import type { Context } from "hono";
import { ApiError, badRequest } from "./errors.js";

export interface BodyLimits {
  /** Bytes of a request at most: its body and what is fetched for it. */
  bytes: number;
  /** Bytes of all requests that are read or worked on at the same time. */
  totalBytes: number;
}

/** Values in a body at most: numbers, texts, lists, objects. Much more than a conversation has; each takes memory far beyond its bytes. */
const maxValues = 1_000_000;
/** Lists and objects inside each other at most. */
const maxDepth = 64;

/** A body that was read. */
export interface Held {
  body: unknown;
  /** Counts further bytes to the request. Throws ApiError when it has too many. */
  hold: (bytes: number) => void;
  /** Gives its bytes back. */
  release: () => void;
}

/** Reads bodies within limits. */
export class Bodies {
  readonly #limits: BodyLimits;
  #held = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Reads a JSON body. Throws ApiError. */
  async json(c: Context): Promise<Held> {
    let held = 0;
    const hold = (bytes: number): void => {
      held += bytes;
      this.#held += bytes;
      if (held > this.#limits.bytes)
        throw new ApiError(
          413,
          "body_too_large",
          `the request and its media are larger than ${this.#limits.bytes} bytes.`,
        );
      if (this.#held > this.#limits.totalBytes)
        throw new ApiError(429, "bodies_too_large", "all requests together take too much memory; try again later.", {
          retryAfter: 5,
        });
    };
    const release = (): void => {
      this.#held -= held;
      held = 0;
    };
    try {
      const announced = Number(c.req.header("content-length") ?? 0);
      if (announced > this.#limits.bytes) hold(announced);
      const chunks: Uint8Array[] = [];
      for await (const chunk of c.req.raw.body ?? []) {
        hold(chunk.byteLength);
        chunks.push(chunk);
      }
      return { body: parse(Buffer.concat(chunks)), hold, release };
    } catch (error) {
      release();
      throw error;
    }
  }
}

function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) throw badRequest("the body is empty; it must be a JSON object.");
  if (count(bytes, "[") + count(bytes, "{") + count(bytes, ",") > maxValues)
    throw badRequest(`the body has more than ${maxValues} values.`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw badRequest("the body is not JSON in UTF-8.", undefined, "invalid_json");
  }
  checkDepth(value);
  return value;
}

/** How often a character stands in the bytes; in pictures as base64 it doesn't, so that counting is a search through memory. */
function count(bytes: Buffer, character: string): number {
  let found = 0;
  for (let at = bytes.indexOf(character); at >= 0 && found <= maxValues; at = bytes.indexOf(character, at + 1)) found++;
  return found;
}

function checkDepth(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw badRequest(`the body is nested deeper than ${maxDepth} levels.`);
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
}
