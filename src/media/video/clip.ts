/** A clip that is open: what it holds, and its frames. */
import type { RgbImage } from "../../prompt/messages.js";
import type { ClipInfo } from "./probe.js";

export interface ClipFrame {
  index: number;
  /** Seconds from the clip's first frame. */
  time: number;
  image: RgbImage;
}

export interface Clip {
  readonly info: ClipInfo;
  /** Seconds of each frame from the first; frame k is the k-th in presentation order. */
  readonly times: Float64Array;
  readonly decoder: "system" | "builtin" | "sharp";
  /** The frames of ascending indices, one by one: no more than a few wait decoded. */
  decode(indices: readonly number[], signal?: AbortSignal): AsyncGenerator<ClipFrame, void, void>;
  close(): Promise<void>;
}
