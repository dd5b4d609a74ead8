import type { AnswerFormat } from "../constrain/format.js";
import { Admission } from "../decode/admission.js";
import type { SamplingOptions } from "../decode/sampling.js";
import { type KvUse, Scheduler } from "../decode/scheduler.js";
import type { Binding } from "../native/binding.js";
import type { NativeMatcher } from "../native/constraint.js";
import type { KvType, MemoryPlan, NativeModel } from "../native/model.js";
import { nativeSync } from "../native/native.js";
import { Turns } from "../native/turns.js";
import type { LoadMedia } from "../vision/chat-media.js";
import { type CropCache, Crops, type CropUse } from "../vision/crops.js";
import { Constraints } from "./constraints.js";
import { checkMemory, memoryLimits, spareMemory } from "./memory.js";
import { placementWork } from "./plan.js";
import type { PromptTokenizer } from "./prompt-tokenizer.js";

export interface EngineParts {
  binding: Pick<Binding, "createSampler" | "createVocabulary">;
  model: NativeModel;
  tokenizer: PromptTokenizer;
  loadMedia: LoadMedia;
  samplingDefaults: SamplingOptions;
  loadMs: number;
  /** Embeddings of crops seen before, by any process; absent: every crop is run. */
  cache?: (() => Promise<CropCache | undefined>) | undefined;
}

/** The memory that answers take beside the weights, and what is kept of those that are over. */
export interface MemoryUse {
  /** `limit`: the bytes that all answers may have together. */
  kv: KvUse & { limit: number };
  crops: CropUse;
}

/** An open model and what its chats share. */
export interface Engine extends Omit<EngineParts, "cache"> {
  readonly crops: Crops;
  /** The scheduler of all chats whose KV cache has this type; it is made when it is first asked for. */
  scheduler(kvType: KvType): Scheduler;
  /** A matcher of answers of a format. Throws SchemaError or UsageError. */
  matcher(format: AnswerFormat): Promise<NativeMatcher>;
  memoryUse(): MemoryUse;
  dispose(): void;
}

export function createEngine({ cache, ...parts }: EngineParts): Engine {
  const { model } = parts;
  const turns = new Turns();
  const crops = new Crops({ model, turns, cache });
  const schedulers = new Map<KvType, Scheduler>();
  const constraints = new Constraints(parts);
  let admission: Admission | undefined;
  // Sequences without a client give their memory up when somebody wants it, so it counts as available.
  const spare = (): number => {
    const { contextLength } = model.config;
    const plan = nativeSync(() => model.plan({ ...placementWork(contextLength), kvType: model.defaultKvType }));
    const free = spareMemory(plan, memoryLimits(model.mappedBytes));
    return [...schedulers.values()].reduce((sum, scheduler) => sum + scheduler.use.bytes, free);
  };
  return {
    ...parts,
    crops,
    scheduler: (kvType) => {
      const made = schedulers.get(kvType);
      if (made) return made;
      admission ??= new Admission(spare);
      const scheduler = new Scheduler({ model, kvType, turns, admission });
      schedulers.set(kvType, scheduler);
      return scheduler;
    },
    matcher: (format) => constraints.matcher(format),
    memoryUse: () => ({
      kv: { ...[...schedulers.values()].map(({ use }) => use).reduce(added, nothing), limit: admission?.total ?? 0 },
      crops: crops.use,
    }),
    dispose: () => {
      for (const scheduler of schedulers.values()) scheduler.dispose();
      crops.dispose();
      model.dispose();
    },
  };
}

const nothing: KvUse = { bytes: 0, pages: 0, kept: { sequences: 0, bytes: 0, limit: 0 } };
const added = (a: KvUse, b: KvUse): KvUse => ({
  bytes: a.bytes + b.bytes,
  pages: a.pages + b.pages,
  kept: {
    sequences: a.kept.sequences + b.kept.sequences,
    bytes: a.kept.bytes + b.kept.bytes,
    limit: a.kept.limit + b.kept.limit,
  },
});

/**
 * Throws MemoryError when the machine lacks the memory of a plan. Memory that sequences have counts as available: where other answers use it, this one
 * waits for them.
 */
export function checkEngineMemory({ model, scheduler }: Engine, kvType: KvType, plan: MemoryPlan): void {
  checkMemory(plan, scheduler(kvType).use.bytes, memoryLimits(model.mappedBytes));
}
