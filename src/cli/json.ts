import type { MemoryPlan } from "../native/binding.js";

/** A memory plan as `--json` prints it, in bytes. */
export function memoryJson(plan: MemoryPlan): Record<string, number> {
  return {
    weights: plan.weights,
    kv_cache: plan.kvCache,
    visual_kv: plan.visualKv,
    embeds: plan.embeds,
    scratch: plan.scratch,
    total: plan.total,
  };
}
