import { UsageError } from "../errors.js";
import { placeholder } from "./template.js";

export interface PlacementOptions {
  /** Media replace `<|image|>` in the text; it is an error if their numbers differ. */
  interleave?: boolean;
  /** No `<|image|>` in the text is a place for media. */
  literal?: boolean;
}

/**
 * Combines a prompt and its media to the parts of one message. The media replace `<|image|>` if `interleave` asks for it or if there are as
 * many of both; otherwise they come first, each followed by a newline.
 */
export function placeMedia<M>(
  text: string,
  media: readonly M[],
  options: PlacementOptions = {},
): (M | { type: "text"; text: string })[] {
  const pieces = options.literal ? [text] : text.split(placeholder);
  const places = pieces.length - 1;
  if (options.interleave && places !== media.length)
    throw new UsageError(
      `the prompt has ${places} ${placeholder} for ${media.length} ${media.length === 1 ? "picture or video" : "pictures and videos"}`,
    );
  const inside = media.length > 0 && places === media.length;
  const texts = inside ? pieces : [...media.map((_, i) => (i === 0 ? "" : "\n")), media.length ? `\n${text}` : text];
  return texts.flatMap((piece, i) => {
    const here: (M | { type: "text"; text: string })[] = piece ? [{ type: "text", text: piece }] : [];
    const medium = media[i];
    if (i < media.length && medium !== undefined) here.push(medium);
    return here;
  });
}
