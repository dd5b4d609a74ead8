import type { MemoryPlan } from "../native/model.js";
import type { EncodeProgress } from "../vision/encode-media.js";

/** The progress of an answer, reported before and after each piece of work, from zero to `total`. */
export type Progress =
  /**
   * Bytes of weights, as the devices hold them; `total` is 0 until the file's header was read. `repacking`: the first start of a model whose repacked
   * weights are kept, which takes longer.
   */
  | { stage: "load"; source: string; repacking: boolean; done: number; total: number }
  /** The layers are placed, and loaded; only where a device with memory of its own takes part. */
  | { stage: "placed"; plan: MemoryPlan }
  | { stage: "preprocess"; done: number; total: number; source: string }
  | EncodeProgress
  | { stage: "prefill"; done: number; total: number }
  | { stage: "beams"; done: number; total: number }
  /** Windows of a clip that is searched. */
  | { stage: "find"; done: number; total: number };

export type OnProgress = (progress: Progress) => void;

/** Milliseconds that each stage of an answer took. */
export interface Timings {
  loadMs: number;
  preprocessMs: number;
  /** 0 if no crop was new. */
  visionMs: number;
  prefillMs: number;
  decodeMs: number;
}
