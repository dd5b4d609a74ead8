/** Questions whose answers are given to choose from. */
import { UsageError } from "../errors.js";
import type { InputMessage } from "./messages.js";

/** The letters that name options, in their order. */
export const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The instruction of the model's published evaluation, with its typographic apostrophe. */
export const answerWithLetter = "Answer with the option’s letter from the given choices directly.";

/** "A. cat\nB. dog" */
export function lettered(options: readonly string[]): string {
  if (options.length > letters.length)
    throw new UsageError(`there are ${options.length} options, and letters for ${letters.length} of them.`);
  return options.map((option, i) => `${letters[i]}. ${option}`).join("\n");
}

/** Options below a question, and what to answer with. */
export const optionsBelow = (options: readonly string[]): string =>
  `\nOptions:\n${lettered(options)}\n${answerWithLetter}`;

/** A conversation whose last question shows options with their letters. */
export function withOptions(messages: readonly InputMessage[], options: readonly string[]): InputMessage[] {
  const last = messages.at(-1);
  if (last?.role !== "user") return [...messages];
  const parts = typeof last.content === "string" ? [{ type: "text" as const, text: last.content }] : last.content;
  const content = [...parts, { type: "text" as const, text: optionsBelow(options) }];
  return [...messages.slice(0, -1), { ...last, content }];
}

/** The question that asks whether something is to be seen; `{}` stands for it. */
export const seeQuestion = "Do you see {}?";

/** Puts what is looked for into a question that has one `{}` for it. Throws UsageError. */
export function questionAbout(text: string, question = seeQuestion): string {
  if (text.trim() === "") throw new UsageError("what is looked for is empty.");
  const [before, after, more] = question.split("{}");
  if (after === undefined || more !== undefined)
    throw new UsageError('the question needs one {} for what is looked for, as in "Do you see {}?".');
  return `${before}${text.trim()}${after}`;
}
