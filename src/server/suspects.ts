import { createHash } from "node:crypto";
import { serialize } from "node:v8";

/** Requests that are remembered at most. */
const maxSuspects = 1000;

/**
 * Remembers the requests that ran when the engine crashed. Any of them may be the reason, so each runs alone when it comes again; one that
 * crashes the engine alone is the reason, and is refused from then on.
 */
export class Suspects {
  readonly #known = new Map<string, "suspect" | "guilty">();

  /** Tells whether a request may run: "clear" beside others, "suspect" alone, "guilty" not at all. */
  lookUp(request: unknown): "clear" | "suspect" | "guilty" {
    if (this.#known.size === 0) return "clear"; // the usual case costs no hash
    return this.#known.get(fingerprint(request)) ?? "clear";
  }

  /** The engine crashed while a request ran. */
  crashed(request: unknown, alone: boolean): void {
    const key = fingerprint(request);
    const guilty = alone && this.#known.has(key);
    this.#known.delete(key);
    this.#known.set(key, guilty ? "guilty" : "suspect");
    if (this.#known.size > maxSuspects) this.#known.delete(this.#known.keys().next().value as string);
  }

  /** A request came to its end, so it is not the reason. */
  cleared(request: unknown): void {
    if (this.#known.size > 0) this.#known.delete(fingerprint(request));
  }
}

/** A hash of all of a request, so that no text of it is kept. */
function fingerprint(request: unknown): string {
  return createHash("sha256").update(serialize(request)).digest("base64");
}
