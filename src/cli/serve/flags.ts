import type { DecoderChoice } from "../../media/video.js";
import type { ModelFlags } from "../chat/flags.js";

/** The options of `owl3 serve` as commander parses them. */
export interface ServeFlags extends ModelFlags {
  host: string;
  port: number;
  parallel: number;
  queue: number;
  queueTimeout: number;
  timeout: number;
  drain: number;
  alias?: string[];
  apiKeyFile?: string;
  allowHost?: string[];
  cors?: string[];
  allowUrls?: boolean;
  mediaRoot?: string;
  maxBody: number;
  maxPictures: number;
  maxFrames: number;
  maxPixels: number;
  maxTokens: number;
  decoder?: DecoderChoice;
  quiet?: boolean;
}
