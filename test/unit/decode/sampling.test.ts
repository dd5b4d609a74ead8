import { expect, test } from "vitest";
import { resolveSampling, samplingDefaults } from "../../../src/decode/sampling.js";

const file = {
  "mplugowl3.generation.do_sample": true,
  "mplugowl3.generation.temperature": 0.7,
  "mplugowl3.generation.top_p": 0.8,
  "mplugowl3.generation.top_k": 20,
  "mplugowl3.generation.repetition_penalty": 1.05,
};

test("sampling: the file's defaults, then what is asked", () => {
  expect(resolveSampling({ seed: 1 }, samplingDefaults(file))).toMatchObject({
    temperature: 0.7,
    topP: 0.8,
    topK: 20,
    repetitionPenalty: 1.05,
    minP: 0,
    logprobs: 0,
    seed: 1,
  });
  expect(resolveSampling({ temperature: 0, topK: 5 }, samplingDefaults(file))).toMatchObject({
    temperature: 0,
    topK: 5,
  });
});

test("sampling: a file that does not ask for sampling is greedy", () => {
  expect(resolveSampling({}, samplingDefaults({})).temperature).toBe(0);
  expect(resolveSampling({}, samplingDefaults({ ...file, "mplugowl3.generation.do_sample": false })).temperature).toBe(
    0,
  );
});

test("sampling: a seed is drawn when none is given, and values out of range are refused", () => {
  const seeds = new Set(Array.from({ length: 8 }, () => resolveSampling({}, {}).seed));
  expect(seeds.size).toBeGreaterThan(1);
  for (const bad of [
    { temperature: -1 },
    { topP: 2 },
    { topK: 1.5 },
    { seed: -1 },
    { seed: 2 ** 32 },
    { minP: Number.NaN },
  ])
    expect(() => resolveSampling(bad, {})).toThrow(/must be/);
});

test("sampling: what a hostile file says is ignored when it is no number and refused when out of range", () => {
  expect(samplingDefaults({ ...file, "mplugowl3.generation.temperature": "hot" }).temperature).toBe(1);
  expect(() => resolveSampling({}, samplingDefaults({ ...file, "mplugowl3.generation.temperature": -3 }))).toThrow();
});
