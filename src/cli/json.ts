import { usesDevices } from "../chat/memory.js";
import type { MemoryPart, MemoryPlan } from "../native/model.js";

/** A memory plan as `--json` prints it, in bytes; with its devices where one has memory of its own. */
export function memoryJson(plan: MemoryPlan): Record<string, unknown> {
  const part = (p: MemoryPart): Record<string, number> => ({
    weights: p.weights,
    kv_cache: p.kvCache,
    visual_kv: p.visualKv,
    embeds: p.embeds,
    scratch: p.scratch,
    total: p.total,
  });
  if (!usesDevices(plan)) return part(plan);
  const devices = plan.devices.map((p) => ({ device: p.device, layers: p.layers, ...part(p) }));
  return { ...part(plan), devices };
}
