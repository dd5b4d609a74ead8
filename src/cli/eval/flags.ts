import type { DecoderChoice } from "../../media/video.js";
import type { KvType } from "../../native/model.js";

/** The options of `owl3 eval` as commander parses them. */
export interface EvalFlags {
  format: string;
  score: "letter" | "logprob";
  model?: string;
  mediaRoot?: string;
  out?: string;
  limit?: number;
  shuffle?: number;
  frames?: number;
  maxTokens: number;
  concurrency: number;
  maxErrors?: number;
  threads?: number;
  device: string;
  precision: "auto" | "fast" | "exact";
  kvType?: KvType;
  decoder?: DecoderChoice;
  cache: boolean;
  quiet?: boolean;
  json?: boolean;
}
