import { ModelFileError } from "../errors.js";

/** How pictures and videos are put into the prompt, which differs between releases. */
export interface PromptStyle {
  /** The text around a cut picture and around the frames of a video: that of 240728 is v2, that of all later releases v3. */
  template: "v2" | "v3";
  /** Whether every picture is cut unless asked otherwise, or only one that is alone in its conversation. */
  cut: "each" | "alone";
  /** Whether a conversation may hold both pictures and videos. */
  mixed: boolean;
}

/** The style of 241101, and of files that say nothing about it. */
export const defaultStyle: PromptStyle = { template: "v3", cut: "each", mixed: true };

/**
 * Reads the style from a GGUF file's metadata, which is not trusted; `name` is the name of the file in errors. Releases whose hyper layers have
 * gates were not trained with several pictures that are cut. Throws ModelFileError.
 */
export function promptStyle(metadata: Readonly<Record<string, unknown>>, name: string): PromptStyle {
  const template = metadata["mplugowl3.prompt.cut_template"] ?? defaultStyle.template;
  if (template !== "v2" && template !== "v3")
    throw new ModelFileError(`${name}: mplugowl3.prompt.cut_template must be "v2" or "v3"`);
  const gated = (metadata["mplugowl3.hyper_attention.kind"] ?? "fused") !== "fused";
  return { template, cut: gated ? "alone" : "each", mixed: template !== "v2" };
}
