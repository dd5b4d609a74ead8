/** VQA accuracy (Antol et al., 2015): how many of ten people gave this answer, after both are normalised. */
import { withoutPunctuation } from "./rules.js";

const numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const digits = new Map([["none", "0"], ...numbers.map((word, value): [string, string] => [word, String(value)])]);
const articles = new Set(["a", "an", "the"]);

/** Words whose apostrophe is restored; spellings that are words themselves, such as "were" and "ill", are left out. */
const contractions =
  `ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's how'd
  how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've
  should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've
  something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're
  what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all
  y'all'll y'all'd've you'd you'd've you'll you're you've`.split(/\s+/);

/** Each of them by its spellings with one apostrophe missing. */
const misspelt = new Map(
  contractions.flatMap((word) =>
    [...word.matchAll(/'/g)].map(({ index }): [string, string] => [word.slice(0, index) + word.slice(index + 1), word]),
  ),
);
misspelt.set("somebody'd", "somebodyd"); // the published table has it this way round

/** Lower case, without punctuation and articles; number words become digits, and contractions get their apostrophe. */
export function normalisedAnswer(answer: string): string {
  return withoutPunctuation(answer.replace(/[\n\t]/g, " ").trim())
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => digits.get(word) ?? word)
    .filter((word) => !articles.has(word))
    .map((word) => misspelt.get(word) ?? word)
    .join(" ");
}

/** The mean, over leaving one of the given answers out, of min(1, matches among the others / 3). */
export function vqaAccuracy(answer: string, given: readonly string[]): number {
  if (given.length === 0) return 0;
  const own = normalisedAnswer(answer);
  const matches = given.filter((other) => normalisedAnswer(other) === own).length;
  const sum = given.reduce((total, other) => {
    const others = matches - (normalisedAnswer(other) === own ? 1 : 0);
    return total + Math.min(1, others / 3);
  }, 0);
  return sum / given.length;
}
