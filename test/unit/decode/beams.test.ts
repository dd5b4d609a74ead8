import { expect, test } from "vitest";
import { beamSearch, topNeeded } from "../../../src/decode/beams.js";
import { eos, type Fake, fakeEngine, fakeScheduler } from "../../support/fake.js";

const vocabulary = 7;

/** Log-probabilities over a few ids that depend on all ids before. */
function scores(ids: readonly number[]): { id: number; logprob: number }[] {
  let hash = 1;
  for (const id of ids) hash = (hash * 48271 + id * 97 + 1) % 2147483647;
  const raw = Array.from({ length: vocabulary }, () => {
    hash = (hash * 48271) % 2147483647;
    return Math.exp((hash / 2147483647) * 3);
  });
  const sum = raw.reduce((a, b) => a + b, 0);
  return raw.map((x, id) => ({ id, logprob: Math.log(x / sum) })).sort((a, b) => b.logprob - a.logprob);
}

/** The textbook form over plain lists, as Hugging Face's BeamSearchScorer is written down. */
function reference(prompt: number[], beams: number, maxTokens: number): { ids: number[]; score: number } {
  let running = [{ ids: [] as number[], sum: 0 }];
  let done = false;
  const finished: { ids: number[]; score: number }[] = [];
  const add = (hyp: { ids: number[]; score: number }): void => {
    finished.push(hyp);
    finished.sort((a, b) => b.score - a.score);
    finished.splice(beams);
  };
  for (let length = 1; length <= maxTokens && !done; length++) {
    const all = running
      .flatMap(({ ids, sum }) =>
        scores([...prompt, ...ids]).map(({ id, logprob }) => ({ ids, id, sum: sum + logprob })),
      )
      .sort((a, b) => b.sum - a.sum)
      .slice(0, 2 * beams);
    const next: typeof running = [];
    all.forEach((c, rank) => {
      if (next.length === beams) return;
      if (c.id === eos) {
        if (rank < beams) add({ ids: c.ids, score: c.sum / length });
      } else next.push({ ids: [...c.ids, c.id], sum: c.sum });
    });
    running = next;
    done = finished.length === beams && (finished[beams - 1]?.score ?? 0) >= (all[0]?.sum ?? 0) / length;
  }
  if (!done) for (const { ids, sum } of running) add({ ids, score: sum / ids.length });
  return finished[0] as { ids: number[]; score: number };
}

async function search(fake: Fake, prompt: number[], beams: number, maxTokens: number, repetitionPenalty = 1) {
  const { scheduler, session } = await fakeScheduler(fake);
  const width = { beams, repetitionPenalty, logprobs: 2 };
  const sequence = await scheduler.open({ ids: prompt, crops: [] }, 0);
  const { top } = await sequence.next({ top: topNeeded(width, prompt) });
  const best = await beamSearch({ ...width, sequence, first: top, maxTokens, eosIds: new Set([eos]) });
  expect([session.count(), session.length(sequence.native as number)]).toEqual([1, prompt.length]);
  scheduler.dispose();
  return best;
}

test("beams: the same hypothesis and score as the textbook, for many prompts, widths and lengths", async () => {
  const fake = fakeEngine();
  fake.scores = scores;
  let ended = 0;
  for (let prompt = 0; prompt < 40; prompt++)
    for (const [beams, length] of [
      [2, 8],
      [3, 5],
      [4, 12],
      [5, 1],
    ] as const) {
      const got = await search(fake, [prompt], beams, length);
      const want = reference([prompt], beams, length);
      expect(got.tokens.map((token) => token.id)).toEqual(want.ids);
      expect(got.score).toBeCloseTo(want.score, 10);
      if (got.ended) ended++;
    }
  expect(ended).toBeGreaterThan(20);
});

test("beams: finds what greedy decoding misses", async () => {
  const fake = fakeEngine();
  const p = (list: [number, number][]) => list.map(([id, x]) => ({ id, logprob: Math.log(x) }));
  fake.scores = (ids) => {
    const last = ids.at(-1);
    if (last === 9)
      return p([
        [4, 0.6],
        [5, 0.4],
      ]);
    if (last === 4)
      return p([
        [1, 0.4],
        [2, 0.3],
        [0, 0.3],
      ]);
    if (last === 5)
      return p([
        [6, 0.9],
        [1, 0.1],
      ]);
    return p([[eos, 1]]);
  };
  expect((await search(fake, [9], 2, 4)).tokens.map((token) => token.id)).toEqual([5, 6]);
});

test("beams: the repetition penalty reaches past the first candidates", async () => {
  const fake = fakeEngine();
  const p = (list: [number, number][]) => list.map(([id, x]) => ({ id, logprob: Math.log(x) }));
  fake.scores = () =>
    p([
      [10, 0.4],
      [11, 0.3],
      [12, 0.1],
      [13, 0.08],
      [14, 0.07],
      [15, 0.05],
    ]);
  const best = await search(fake, [10, 11, 12, 13], 2, 1, 10);
  expect(best.tokens.map((token) => token.id)).toEqual([14]);
  expect(best.tokens[0]?.top.map((choice) => choice.id)).toEqual([10, 11]);
});
