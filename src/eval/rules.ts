/** The rules by which published evaluations read an answer. Their oddities are kept, since the published numbers have them, too. */
import { letters } from "../prompt/choice.js";

/**
 * The letter that a delimiter follows (`.`, `,`, `:` or `)`), the last of the alphabet first, or that ends the answer; "" when there is none, unless the
 * text of an option holds the answer or stands in it. This is the rule of MMBench and Q-Bench in the model's own evaluation.
 */
export function delimitedLetter(answer: string, options: readonly string[] = []): string {
  for (const text of [answer, `${answer}.`])
    for (const letter of [..."EDCBA"]) if (new RegExp(`\\b${letter}[.,:)]`).test(text)) return letter;
  const lower = answer.toLowerCase();
  const at = options.findIndex(
    (option) => lower.includes(option.toLowerCase()) || option.toLowerCase().includes(lower),
  );
  return letters[at] ?? "";
}

/** The first character, as a capital. */
export function firstLetter(answer: string): string {
  return answer.trim().slice(0, 1).toUpperCase();
}

/** The first capital from A to D once phrases such as "The answer is" are taken off; A when there is none. This is Video-MME's rule. */
export function letterAfterPhrases(answer: string): string {
  const phrases =
    /The best answer is|The correct answer is|The answer is|The answer|The best option is|The correct option is|Best answer:|Best option:|Answer:|Option:|The correct answer|The correct option/g;
  return /[ABCD]/.exec(answer.trim().replace(phrases, ""))?.[0] ?? "A";
}

/**
 * Whether the first word of an answer is the right letter, or its other words hold the right option's text. This is MVBench's rule; it counts an empty
 * answer as right, which is a mistake that is not repeated here.
 */
export function letterOrText(answer: string, letter: string, option: string): boolean {
  const [first = "", ...others] = answer.trim().toLowerCase().split(" ");
  const start = first.replaceAll(".", "").trim();
  const text = option.toLowerCase().replace(/\.$/, "").trim();
  return (
    (start !== "" && `${letter.toLowerCase()}.`.includes(start)) || (text !== "" && others.join(" ").includes(text))
  );
}

/** The text before the first full stop or comma, in lower case. */
export function firstPhrase(answer: string): string {
  return (answer.trim().split(/[.,]/)[0] ?? "").trim().toLowerCase();
}

/** A short answer to GQA: the first phrase, without what comes before a verb or an article. */
export function shortAnswer(answer: string): string {
  let text = (answer.trim().split(/[.,!]/)[0] ?? "").toLowerCase();
  for (const word of ["is ", "are ", "a ", "an ", "the "])
    if (text.includes(word)) text = text.split(word)[1] as string;
  return (text.split(" of")[0] ?? "").trim();
}

const punctuation = [...'; / [ ] " { } ( ) = + \\ _ - > < @ ` , ? !'.split(" ")];

/** Takes punctuation off as VQA's evaluation does: a mark beside a blank vanishes, another becomes a blank. */
export function withoutPunctuation(text: string): string {
  const grouped = /\d,\d/.test(text);
  let out = text;
  for (const mark of punctuation)
    out = out.replaceAll(mark, grouped || text.includes(`${mark} `) || text.includes(` ${mark}`) ? "" : " ");
  return out.replace(/\.(?!\d)/g, "");
}

/** The rule of LLaVA-Interleave-Bench, which BLINK and Mantis-Eval are scored by: no punctuation, no quotes or brackets around it, lower case. */
export function plainAnswer(answer: string): string {
  const text = withoutPunctuation(answer.replace(/[\n\t]/g, " ").trim());
  const plain = text
    .replace(/^'+|'+$/g, "")
    .replace(/^"+|"+$/g, "")
    .replace(/\)+$/, "")
    .replace(/^\(+/, "")
    .trim()
    .toLowerCase();
  const letter = plain.includes(":") ? plain.split(":").findLast((part) => /^[a-h]$/.test(part.trim())) : undefined;
  return letter?.trim() ?? plain;
}
