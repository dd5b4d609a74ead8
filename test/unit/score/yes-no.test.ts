import { expect, test } from "vitest";
import { yesNo, yesNoCandidates } from "../../../src/score/yes-no.js";

test("yes and no: no spelling begins another, so that their probabilities add up", () => {
  for (const one of yesNoCandidates) expect(yesNoCandidates.filter((other) => other.startsWith(one))).toEqual([one]);
});

test("yes and no: each is the sum over its spellings", () => {
  const probabilities = yesNoCandidates.map((_, i) => 2 ** -(i + 1));
  const scored = yesNoCandidates.map((text, i) => ({ text, logprob: Math.log(probabilities[i] as number) }));
  const { yes, no, spellings } = yesNo(scored);
  const isYes = (text: string): boolean => text.trim().toLowerCase() === "yes";
  const sum = (of: boolean): number =>
    yesNoCandidates.reduce((all, text, i) => all + (isYes(text) === of ? (probabilities[i] as number) : 0), 0);
  expect(yes).toBeCloseTo(sum(true), 12);
  expect(no).toBeCloseTo(sum(false), 12);
  expect(spellings.map(({ text }) => text)).toEqual(yesNoCandidates);
  for (const { text, answer } of spellings) expect(answer).toBe(isYes(text) ? "yes" : "no");
});
