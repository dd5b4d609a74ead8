/** What the engine is doing; told before and after each piece of work, from zero to `total`. */
export type Progress =
  | { stage: "load"; source: string }
  | { stage: "preprocess"; done: number; total: number; source: string }
  | { stage: "encode"; done: number; total: number; msPerCrop: number }
  | { stage: "prefill"; done: number; total: number }
  | { stage: "beams"; done: number; total: number };

export type OnProgress = (progress: Progress) => void;

export interface Timings {
  loadMs: number;
  preprocessMs: number;
  visionMs: number;
  prefillMs: number;
  decodeMs: number;
}
