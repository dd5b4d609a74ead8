import { UsageError } from "../errors.js";
import type { Binding } from "./binding.js";
import type { LoadMedia } from "./conversation.js";

export function mediaLoader(_binding: Binding, _cropSize: number): LoadMedia {
  return async () => {
    throw new UsageError("pictures are not supported yet");
  };
}
