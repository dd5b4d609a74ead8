/** What the engine is doing; told before and after each piece of work, from zero to `total`. */
export type Progress =
  | { stage: "load"; source: string }
  | { stage: "preprocess"; done: number; total: number; source: string }
  | {
      stage: "encode";
      done: number;
      total: number;
      /** Crops whose pixels have come so far: decoding runs ahead of encoding. */
      decoded: number;
      /** Of the last call of the vision tower; 0 for crops that the cache knew. */
      msPerCrop: number;
      /** By the average so far; undefined before the first. */
      msLeft?: number;
      /** What a crop is: frames where all new media are videos. */
      unit: "crop" | "frame";
      /** Bytes that the plan of the whole answer says. */
      memory: number;
    }
  | { stage: "prefill"; done: number; total: number }
  | { stage: "beams"; done: number; total: number };

export type OnProgress = (progress: Progress) => void;

export interface Timings {
  loadMs: number;
  preprocessMs: number;
  /** 0: no crop was new. */
  visionMs: number;
  prefillMs: number;
  decodeMs: number;
}
