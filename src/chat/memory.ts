import os from "node:os";
import { MemoryError } from "../errors.js";
import { formatBytes } from "../format.js";
import type { MemoryPlan } from "../native/binding.js";

/** The bytes that the process may use: the memory of the machine, or the limit of its container. */
export function memoryLimits(): { total: number; available: number } {
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < os.totalmem() ? limit : os.totalmem();
  // availableMemory() (Node 20.13) knows containers and counts reclaimable caches; freemem() does not, and is far too small.
  const available = process.availableMemory?.() ?? os.freemem();
  return { total, available: Math.min(total, available) };
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
