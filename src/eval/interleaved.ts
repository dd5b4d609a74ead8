/** Prompts whose pictures have places in the text. */
import { FileError } from "../errors.js";
import type { Medium, Prompt } from "./question.js";

/** Puts media where `place` stands in a text, each after a name such as "Image 2: "; those without a place come first. */
export function interleaved(
  text: string,
  place: string,
  media: readonly Medium[],
  name: (at: number) => string,
  where: string,
): Prompt {
  const pieces = text.split(place);
  const before = media.length - (pieces.length - 1);
  if (before < 0)
    throw new FileError(`${where}: the question has ${pieces.length - 1} places for ${media.length} pictures.`);
  const named = media.map((medium, i): Prompt => [name(i), medium, " "]);
  return [
    ...named.slice(0, before).flat(),
    pieces[0] as string,
    ...pieces.slice(1).flatMap((piece, i) => [...(named[before + i] as Prompt), piece]),
  ];
}

export const imageNumber = (at: number): string => `Image ${at + 1}: `;

const ordinals = ["first", "second", "third", "fourth"];
export const imageOrdinal = (at: number): string => `the ${ordinals[at] ?? `${at + 1}th`} image: `;
