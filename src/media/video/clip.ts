/** An open clip: its properties and its frames. */
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
  /** The time of each frame in seconds from the first; frame k is the k-th in presentation order. */
  readonly times: Float64Array;
  readonly decoder: "system" | "builtin" | "sharp";
  /** Decodes the frames of ascending indices one by one; only a few are decoded ahead. */
  decode(indices: readonly number[], signal?: AbortSignal): AsyncGenerator<ClipFrame, void, void>;
  close(): Promise<void>;
}
