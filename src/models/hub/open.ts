import type { HubName } from "../names.js";
import type { HubOptions } from "./client.js";
import type { Hub } from "./hub.js";
import { HuggingFace } from "./hugging-face.js";
import { ModelScope } from "./modelscope.js";

/** Opens a hub; it is to be closed. Throws UsageError for an address, token or proxy that can't be. */
export function openHub(name: HubName, options: HubOptions = {}): Hub {
  return name === "hf" ? new HuggingFace(options) : new ModelScope(options);
}
