import type { DecoderChoice } from "../../media/video.js";
import type { ChatFlags, ModelFlags } from "../chat/flags.js";

/** The options of `owl3 find` as commander parses them. */
export interface FindFlags extends ModelFlags, Pick<ChatFlags, "quiet" | "json"> {
  question?: string;
  threshold?: number;
  top?: number;
  window?: number;
  stride?: number;
  frames?: number;
  start?: number;
  end?: number;
  decoder?: DecoderChoice;
  cut?: boolean;
}
