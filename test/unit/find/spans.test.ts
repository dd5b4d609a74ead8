import { expect, test } from "vitest";
import { joinSpans, rankByProbability } from "../../../src/find/spans.js";

const windows = [0.1, 0.8, 0.9, 0.2, 0.6, 0.1].map((probability, i) => ({ start: 2 * i, end: 2 * i + 2, probability }));

test("spans: windows that touch become one, as probable as the most probable of them", () => {
  expect(joinSpans(rankByProbability(windows, {}))).toEqual([
    { start: 2, end: 6, probability: 0.9 },
    { start: 8, end: 10, probability: 0.6 },
  ]);
});

test("spans: windows that overlap become one, also when one lies within another and ends are rounded", () => {
  const spans = joinSpans([
    { start: 4, end: 5, probability: 0.7 },
    { start: 0, end: 0.1 + 0.2, probability: 0.5 },
    { start: 0.3 + 1e-9, end: 2, probability: 0.6 },
    { start: 3, end: 8, probability: 0.5 },
  ]);
  expect(spans).toEqual([
    { start: 0, end: 2, probability: 0.6 },
    { start: 3, end: 8, probability: 0.7 },
  ]);
});

test("spans: a threshold, a number of the best, both, and neither", () => {
  const probabilities = (options: Parameters<typeof rankByProbability>[1]): number[] =>
    rankByProbability(windows, options).map(({ probability }) => probability);
  expect(probabilities({})).toEqual([0.9, 0.8, 0.6]);
  expect(probabilities({ threshold: 0.15 })).toEqual([0.9, 0.8, 0.6, 0.2]);
  expect(probabilities({ threshold: 0.95 })).toEqual([]);
  expect(probabilities({ top: 5 })).toEqual([0.9, 0.8, 0.6, 0.2, 0.1]);
  expect(probabilities({ top: 5, threshold: 0.7 })).toEqual([0.9, 0.8]);
  expect(probabilities({ threshold: 0 })).toHaveLength(6);
});

test("spans: among equals the earlier comes first", () => {
  const same = [3, 1, 2].map((start) => ({ start, end: start + 1, probability: 0.5 }));
  expect(rankByProbability(same, { top: 2 }).map(({ start }) => start)).toEqual([3, 1]);
});
