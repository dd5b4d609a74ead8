import os from "node:os";
import { MemoryError } from "../errors.js";
import { formatBytes } from "../format.js";
import type { MemoryPlan } from "../native/binding.js";

/** What the process may use: the machine's memory, or less in a container. */
export function memoryLimits(): { total: number; available: number } {
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < os.totalmem() ? limit : os.totalmem();
  // availableMemory() knows containers and reclaimable caches (Node 20.13); free memory alone would be far too little.
  const available = process.availableMemory?.() ?? os.freemem();
  return { total, available: Math.min(total, available) };
}

/**
 * Refuses work that can't fit. `held` is what of the plan is in memory already (weights that are loaded), so it needs no room any more.
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
