import type { Sequence } from "../decode/sequence.js";

/** Continuations that are computed together at most: each is a sequence of its own. */
export const maxForks = 32;

export interface ScoreContinuationsOptions {
  signal?: AbortSignal | undefined;
  /** Called before each pass over the prompt and after it: how many ids are computed, of those that had to be. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Computes the log-probabilities of given continuations of a sequence: of each id, given the sequence and the ids before it. The passes of the
 * prompt tell those of all first ids; the other ids are computed in one pass, as forks that share the prompt's keys and values and crops.
 * Equals teacher forcing one continuation after the other bit for bit, as a row's result depends on that row alone. The sequence itself ends
 * where it did. No continuation is empty.
 */
export async function scoreContinuations(
  sequence: Sequence,
  continuations: readonly (readonly number[])[],
  { signal, onProgress }: ScoreContinuationsOptions = {},
): Promise<number[][]> {
  const firsts = continuations.map((ids) => ids[0] as number);
  const { scores } = await sequence.next({ targets: [firsts], signal, onProgress });
  const logprobs = Array.from(scores ?? [], (logprob) => [logprob]);
  const longer = [...continuations.entries()].filter(([, ids]) => ids.length > 1);
  for (let at = 0; at < longer.length; at += maxForks) {
    const forks = longer
      .slice(at, at + maxForks)
      .map(([i, ids]) => scoreRest(sequence, ids, logprobs[i] ?? [], signal));
    const failed = (await Promise.allSettled(forks)).find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  }
  return logprobs;
}

/** Appends the log-probabilities of all ids but the first to `logprobs`. */
async function scoreRest(
  sequence: Sequence,
  ids: readonly number[],
  logprobs: number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const fork = sequence.fork();
  try {
    for (const id of ids.slice(0, -1)) fork.append(id);
    const { scores } = await fork.next({ targets: ids.slice(1).map((id) => [id]), signal });
    logprobs.push(...(scores ?? []));
  } finally {
    fork.release();
  }
}

/** Bytes that the forks of scoreContinuations() take at most besides their sequence: each its own copy of the last page, and pages behind it. */
export function forkBytes(
  continuations: readonly (readonly number[])[],
  { page, pagePositions }: { page: number; pagePositions: number },
): number {
  const longest = Math.max(0, ...continuations.map((ids) => ids.length));
  const forks = Math.min(maxForks, continuations.filter((ids) => ids.length > 1).length);
  return forks * page * (1 + Math.ceil(longest / pagePositions));
}
