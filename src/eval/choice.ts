/** Questions with options that are named by letters. */
import { answerWithLetter, letters } from "../prompt/choice.js";
import type { Prompt, Question } from "./question.js";
import { firstLetter, letterOrText } from "./rules.js";

export interface Choice {
  id: string;
  unit?: string;
  prompt: () => Promise<Prompt> | Prompt;
  options: readonly string[];
  /** The index of the right one. */
  right: number;
  groups?: Readonly<Record<string, string>>;
  /** Takes an answer for an option; default: by its first letter. */
  read?: (answer: string) => string;
}

export function choice({ id, unit, prompt, options, right, groups = {}, read = firstLetter }: Choice): Question {
  const answer = letters[right] as string;
  const candidates = [...letters].slice(0, options.length);
  return {
    id,
    ...(unit !== undefined && { unit }),
    prompt,
    candidates,
    answer,
    read,
    score: (one) => Number(one === answer),
    groups,
  };
}

/** Takes an answer for the right option if letterOrText() does, else leaves it as it is. */
export function rightLetterOrText(options: readonly string[], right: number): (answer: string) => string {
  const letter = letters[right] as string;
  return (answer) => (letterOrText(answer, letter, options[right] as string) ? letter : answer.trim());
}

/** A question on a video, as NExT-QA and Video-MME are asked; `shown` are the options with their letters. */
export function videoPrompt(video: Extract<Prompt[number], object>, question: string, shown: string): Prompt {
  return [video, `\nQuestion: ${question}\nOptions: ${shown}\n${answerWithLetter}`];
}

/** Endings that names of videos lack in some data sets. */
export const videoEndings = [".mp4", ".webm", ".mkv", ".avi", ".mov"];
