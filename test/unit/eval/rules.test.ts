import { expect, test } from "vitest";
import { accuracyByGroup, unitScores, yesNoMetrics } from "../../../src/eval/metrics.js";
import type { Outcome } from "../../../src/eval/question.js";
import {
  delimitedLetter,
  firstLetter,
  firstPhrase,
  letterAfterPhrases,
  letterOrText,
  plainAnswer,
  shortAnswer,
  withoutPunctuation,
} from "../../../src/eval/rules.js";
import { normalisedAnswer, vqaAccuracy } from "../../../src/eval/vqa-accuracy.js";

test("rules: the delimited letter is the last of the alphabet that a mark follows, or that ends the answer", () => {
  expect(delimitedLetter("B")).toBe("B");
  expect(delimitedLetter("B. a dog")).toBe("B");
  expect(delimitedLetter("(C)")).toBe("C");
  expect(delimitedLetter("A, not D.")).toBe("D");
  expect(delimitedLetter("The answer is B")).toBe("B");
  expect(delimitedLetter("Because")).toBe("");
  expect(delimitedLetter("a dog", ["cat", "a dog", "dog"])).toBe("B");
  expect(delimitedLetter("It is a Cat", ["dog", "cat"])).toBe("B");
  expect(delimitedLetter("horse", ["dog", "cat"])).toBe("");
});

test("rules: the first letter, the letter after phrases", () => {
  expect(firstLetter(" b. dog")).toBe("B");
  expect(firstLetter("")).toBe("");
  expect(letterAfterPhrases("The best answer is C")).toBe("C");
  expect(letterAfterPhrases("Answer: B. A cat")).toBe("B");
  expect(letterAfterPhrases("The cat")).toBe("A"); // nothing is found, which counts as A
  expect(letterAfterPhrases("I do not know what this is about, sorry to say")).toBe("A");
});

test("rules: MVBench takes the letter, or the option's text after the first word", () => {
  expect(letterOrText("B.", "B", "moving left")).toBe(true);
  expect(letterOrText("b", "B", "moving left")).toBe(true);
  expect(letterOrText("A. moving left", "B", "moving left")).toBe(true); // published oddity: the text wins
  expect(letterOrText("A. moving right", "B", "moving left.")).toBe(false);
  expect(letterOrText("", "B", "moving left")).toBe(false);
});

test("rules: yes and no, GQA's short answers", () => {
  expect(firstPhrase(" Yes, there is. ")).toBe("yes");
  expect(firstPhrase("No")).toBe("no");
  expect(shortAnswer("It is a Red car, I think")).toBe("red car");
  expect(shortAnswer("the top of the table")).toBe("top");
  expect(shortAnswer("Left.")).toBe("left");
});

test("rules: LLaVA-Interleave-Bench's plain answers", () => {
  expect(plainAnswer("(B)")).toBe("b");
  expect(plainAnswer("A")).toBe("a");
  expect(plainAnswer('"Blue car"')).toBe("blue car");
  expect(plainAnswer("Answer: C")).toBe("c");
  expect(plainAnswer("3.")).toBe("3");
});

test("VQA: punctuation vanishes beside blanks and becomes one elsewhere", () => {
  expect(withoutPunctuation("red-white")).toBe("red white");
  expect(withoutPunctuation("red - white")).toBe("red  white");
  expect(withoutPunctuation("10,000")).toBe("10000");
  expect(withoutPunctuation("it is 3.5.")).toBe("it is 3.5");
});

test("VQA: answers are normalised by the published tables", () => {
  expect(normalisedAnswer("The Two dogs!")).toBe("2 dogs");
  expect(normalisedAnswer("None")).toBe("0");
  expect(normalisedAnswer("dont know")).toBe("don't know");
  expect(normalisedAnswer("couldnt've")).toBe("couldn't've");
  expect(normalisedAnswer("couldn'tve")).toBe("couldn't've");
  expect(normalisedAnswer("ow's'at")).toBe("'ow's'at");
  expect(normalisedAnswer("yall'd've")).toBe("y'all'd've");
  expect(normalisedAnswer("were")).toBe("were"); // a word of its own
  expect(normalisedAnswer("An apple\na day")).toBe("apple day");
});

test("VQA: accuracy is the mean of min(1, matches / 3) over leaving one answer out", () => {
  const given = (yes: number): string[] => [...Array(yes).fill("yes"), ...Array(10 - yes).fill("no")];
  // One match: 9 ways keep it (1/3 each), one leaves it out (0).
  expect(vqaAccuracy("Yes.", given(1))).toBeCloseTo((9 * (1 / 3)) / 10, 12);
  expect(vqaAccuracy("yes", given(2))).toBeCloseTo((8 * (2 / 3) + 2 * (1 / 3)) / 10, 12);
  expect(vqaAccuracy("yes", given(3))).toBeCloseTo((7 * 1 + 3 * (2 / 3)) / 10, 12);
  expect(vqaAccuracy("yes", given(4))).toBe(1);
  expect(vqaAccuracy("maybe", given(4))).toBe(0);
  expect(vqaAccuracy("a 2", Array(10).fill("two"))).toBe(1);
});

const outcome = (about: Partial<Outcome>): Outcome => ({
  ...{ id: "1", unit: "1", groups: {}, answer: "yes", read: "yes", score: 1 },
  ...about,
});

test("metrics: POPE's are means over the splits", () => {
  const split = (name: string, rows: [answer: string, read: string][]): Outcome[] =>
    rows.map(([answer, read]) => outcome({ answer, read, score: Number(answer === read), groups: { split: name } }));
  const rows = [
    // 2 of 4 right; said yes 2, one of them right; precision 1/2, recall 1/2
    ...split("random", [
      ["yes", "yes"],
      ["yes", "no"],
      ["no", "yes"],
      ["no", "no"],
    ]),
    // an answer that is neither counts as wrong and as no yes: accuracy 1/2, precision 1, recall 1/2
    ...split("popular", [
      ["yes", "yes"],
      ["yes", "maybe"],
    ]),
  ];
  expect(Object.fromEntries(yesNoMetrics(rows).map(({ name, value }) => [name, value]))).toEqual({
    accuracy: 0.5,
    precision: 0.75,
    recall: 0.5,
    F1: (0.5 + 2 / 3) / 2,
    "yes ratio": 0.5,
  });
});

test("metrics: a unit is as good as its worst question; means over tasks", () => {
  const rows = [
    outcome({ id: "1", unit: "1", groups: { task: "a" } }),
    outcome({ id: "1000001", unit: "1", score: 0, groups: { task: "a" } }),
    outcome({ id: "2", unit: "2", groups: { task: "a" } }),
    outcome({ id: "3", unit: "3", score: 0, groups: { task: "b" } }),
  ];
  expect(unitScores(rows)).toEqual([0, 1, 0]);
  expect(accuracyByGroup("task")(rows)).toEqual([
    { name: "mean over tasks", value: 0.25 },
    { name: "accuracy", value: 1 / 3 },
  ]);
});
