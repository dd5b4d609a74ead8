import { expect, test } from "vitest";
import { scoredCandidates } from "../../../src/score/candidates.js";
import { forkBytes, maxForks, scoreContinuations } from "../../../src/score/continuations.js";
import { fakeEngine, fakeLogprob, fakeScheduler } from "../../support/fake.js";

const ids = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
/** Teacher forcing: each id is scored after the prompt and the ids before it. */
const forced = (prompt: string, text: string): number[] =>
  ids(text).map((id, i) => fakeLogprob([...ids(prompt), ...ids(text).slice(0, i)], id));

test("score: candidates share the prompt's pass, and all that is left of them goes in one more", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake);
  const sequence = await scheduler.open({ ids: ids("which one?"), crops: [] }, 0);
  const candidates = ["a", "bee", "cats", "d"];
  expect(await scoreContinuations(sequence, candidates.map(ids))).toEqual(
    candidates.map((text) => forced("which one?", text)),
  );
  expect(fake.passes.map((parts) => parts.map(({ rows }) => rows))).toEqual([[10], [2, 3]]);
  expect(sequence.ids).toEqual(ids("which one?"));
  expect(session.count()).toBe(1);
});

test("score: candidates of one token need no second pass", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const sequence = await scheduler.open({ ids: ids("A or B?"), crops: [] }, 0);
  expect(await scoreContinuations(sequence, [ids("A"), ids("B")])).toEqual([
    forced("A or B?", "A"),
    forced("A or B?", "B"),
  ]);
  expect(fake.passes).toHaveLength(1);
});

test("score: a pass has 64 scored rows at most, and long candidates get the same in several", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const sequence = await scheduler.open({ ids: ids("say"), crops: [] }, 0);
  const long = ["x".repeat(50), "y".repeat(150)];
  expect(await scoreContinuations(sequence, long.map(ids))).toEqual(long.map((text) => forced("say", text)));
  const rows = fake.passes.slice(1).map((parts) => parts.reduce((sum, part) => sum + part.rows, 0));
  expect(Math.max(...rows)).toBeLessThanOrEqual(64);
  expect(rows.reduce((a, b) => a + b, 0)).toBe(49 + 149);
});

test("score: more candidates than forks are computed in groups", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake);
  let most = 0;
  fake.onPass = (parts) => {
    most = Math.max(most, parts.length);
  };
  const sequence = await scheduler.open({ ids: ids("n?"), crops: [] }, 0);
  const many = Array.from({ length: maxForks + 3 }, (_, i) => `n${i}`);
  expect(await scoreContinuations(sequence, many.map(ids))).toEqual(many.map((text) => forced("n?", text)));
  expect(most).toBe(maxForks);
  expect(session.count()).toBe(1);
});

test("score: others may decode meanwhile, and neither changes the other", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const sampler = fake.binding.createSampler({ logprobs: 0 } as never);
  const other = await scheduler.open({ ids: ids("talk"), crops: [] }, 0);
  const decoding = (async () => {
    for (let i = 0; i < 6; i++) await other.next({ sampler });
    return other.ids.slice(4);
  })();
  const sequence = await scheduler.open({ ids: ids("which?"), crops: [] }, 0);
  const scored = await scoreContinuations(sequence, [ids("this one"), ids("that")]);
  expect(scored).toEqual([forced("which?", "this one"), forced("which?", "that")]);
  const alone = fakeEngine();
  const lonely = await (await fakeScheduler(alone)).scheduler.open({ ids: ids("talk"), crops: [] }, 0);
  for (let i = 0; i < 6; i++) await lonely.next({ sampler: alone.binding.createSampler({ logprobs: 0 } as never) });
  expect(await decoding).toEqual(lonely.ids.slice(4));
});

test("score: when a pass fails, all forks are given back and the error is told", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake);
  fake.onPass = (parts) => {
    if (parts.some(({ ids: [first] }) => first === 98)) throw new Error("no more");
  };
  const sequence = await scheduler.open({ ids: ids("which?"), crops: [] }, 0);
  await expect(scoreContinuations(sequence, [ids("aa"), ids("bb"), ids("cc")])).rejects.toThrow("no more");
  expect(session.count()).toBe(1);
});

test("score: an abort is heard", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const stop = new AbortController();
  fake.onPass = () => stop.abort();
  const sequence = await scheduler.open({ ids: ids("which?"), crops: [] }, 0);
  await expect(scoreContinuations(sequence, [ids("aa")], { signal: stop.signal })).rejects.toThrow("abort");
});

test("score: forks take a copy of the last page and their own pages behind it", () => {
  const kv = { page: 100, pagePositions: 64 };
  expect(forkBytes([[1], [2]], kv)).toBe(0);
  expect(forkBytes([[1], [1, 2], [1, 2, 3]], kv)).toBe(2 * 2 * 100);
  expect(forkBytes([Array(65).fill(1)], kv)).toBe(3 * 100);
  expect(forkBytes(Array(100).fill([1, 2]), kv)).toBe(maxForks * 2 * 100);
});

test("score: sum, mean and share are those of the tokens", () => {
  const scored = scoredCandidates(
    ["no", "yes!"],
    [[1], [2, 3]],
    [[Math.log(0.2)], [Math.log(0.5), Math.log(0.4)]],
    String,
  );
  expect(scored[0]?.logprob).toBeCloseTo(Math.log(0.2), 12);
  expect(scored[1]?.logprob).toBeCloseTo(Math.log(0.2), 12);
  expect(scored[1]?.perToken).toBeCloseTo(Math.log(0.2) / 2, 12);
  expect(scored.map(({ share }) => share)).toEqual([expect.closeTo(0.5, 12), expect.closeTo(0.5, 12)]);
  expect(scored[1]?.tokens).toEqual([
    { id: 2, text: "2", logprob: Math.log(0.5) },
    { id: 3, text: "3", logprob: Math.log(0.4) },
  ]);
});

test("score: candidates that are all but impossible still have shares", () => {
  const scored = scoredCandidates(["a", "b"], [[1], [2]], [[-2000], [-2001]], String);
  expect(scored[0]?.share).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
});
