import os from "node:os";
import { MemoryError } from "../errors.js";
import { formatBytes } from "../format.js";
import type { MemoryPlan } from "../native/binding.js";

/**
 * The bytes that the process may use: the memory of the machine, or the limit of its container. `mapped` are bytes of weights that are mapped from
 * a file: the machine, though not a container, counts them as available while they are in use.
 */
export function memoryLimits(mapped = 0): { total: number; available: number } {
  const limit = process.constrainedMemory?.() ?? 0;
  const contained = limit > 0 && limit < os.totalmem();
  const total = contained ? limit : os.totalmem();
  // availableMemory() (Node 20.13) knows containers and counts reclaimable caches; freemem() does not, and is far too small.
  const available = process.availableMemory?.() ?? os.freemem();
  return { total, available: Math.max(0, Math.min(total, available) - (contained ? 0 : mapped)) };
}

/**
 * Throws MemoryError for work that does not fit. `held` is the part of the plan that is in memory already: the loaded weights, in bytes.
 */
export function checkMemory(plan: MemoryPlan, held: number, limits = memoryLimits()): void {
  const needed = plan.total - held;
  if (needed <= limits.available) return;
  const parts = [
    ["weights", plan.weights - Math.min(held, plan.weights)],
    ["text context", plan.kvCache],
    ["pictures", plan.visualKv + plan.embeds],
    ["scratch", plan.scratch],
  ] as const;
  const largest = parts
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${formatBytes(bytes)} ${name}`)
    .join(", ");
  throw new MemoryError(
    `this needs ${formatBytes(needed)} more memory (${largest}) and ${formatBytes(limits.available)} of ${formatBytes(limits.total)} are available.`,
    { of: "answer", needed, available: limits.available },
  );
}
