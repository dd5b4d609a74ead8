import { expect, test } from "vitest";
import { PromptLookup } from "../../../src/decode/draft.js";

const none: ReadonlySet<number> = new Set();

test("proposes what followed the same three ids, the latest time", () => {
  const ids = [1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 0, 1, 2];
  const lookup = new PromptLookup(ids, none);
  expect(lookup.propose(9)).toEqual([]); // 0 1 2 is new
  ids.push(3);
  expect(lookup.propose(9)).toEqual([6, 7, 8]);
  expect(lookup.propose(2)).toEqual([6, 7]);
  expect(lookup.propose(0)).toEqual([]);
});

test("never proposes an end of the answer, nor more than it knows", () => {
  const prompt = [1, 2, 3, 4, 99, 5, 1, 2, 3];
  expect(new PromptLookup(prompt, new Set([99])).propose(9)).toEqual([4]);
  expect(new PromptLookup([7, 7, 7, 7], none).propose(9)).toEqual([7]);
});

test("grows while it is right and rests when it is wrong", () => {
  const prompt = [1, 2, 3, ...Array.from({ length: 30 }, (_, i) => 100 + i), 1, 2, 3];
  const lookup = new PromptLookup(prompt, none);
  lookup.accept(3, 3);
  expect(lookup.propose(99)).toHaveLength(6);
  lookup.accept(6, 6);
  expect(lookup.propose(99)).toHaveLength(10);
  lookup.accept(10, 0);
  for (let i = 0; i < 4; i++) expect(lookup.propose(99)).toEqual([]);
  expect(lookup.propose(99)).toHaveLength(2);
});
