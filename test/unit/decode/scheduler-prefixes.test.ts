// Prefixes that sequences share, and sequences that are kept for them.
import { expect, test } from "vitest";
import type { VisibleCrop } from "../../../src/decode/prefix.js";
import type { Sequence } from "../../../src/decode/sequence.js";
import { fakeEngine, fakeScheduler } from "../../support/fake.js";
import { alone, crop, prompt, pull, rows, tick } from "../../support/scheduler.js";

test("scheduler: a prefix that another has computed is shared, as far as ids and crops in sight agree", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const seen = [crop(2, 5), crop(9, 6)];
  const first = await scheduler.open(prompt("see this and that. what?", seen), 0);
  await pull(fake, first, 4);
  const cases: [text: string, crops: VisibleCrop[], shared: number][] = [
    ["see this and that. who?", seen, "see this and that. wh".length],
    ["see this and that. what?", seen, "see this and that. what".length], // something has to be computed
    ["see this and that. what?", [crop(2, 5), crop(9, 7)], 9],
    ["see this and that. what?", [crop(2, 5), crop(10, 6)], 9],
    ["see this and that. what?", [crop(2, 5)], 9],
    ["see this and that. what?", [crop(2, 4), crop(9, 6)], 2],
    ["see this and that. what?", [], 2],
    ["now this", [], 0],
  ];
  for (const [text, crops, shared] of cases) {
    const fresh = fakeEngine();
    const only = await fakeScheduler(fresh);
    await pull(fresh, await only.scheduler.open(prompt("see this and that. what?", seen), 0), 4);
    const sequence = await only.scheduler.open(prompt(text, crops), 0);
    expect(sequence.shared, text).toBe(shared);
    expect(await pull(fresh, sequence, 5)).toBe(await alone(text, 5, crops));
  }
  // The one that was shared goes on as if nothing had been.
  expect(await pull(fake, first, 3)).toBe((await alone("see this and that. what?", 7, seen)).slice(4));
});

test("scheduler: the same prompt asked twice at once is computed once", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const text = "the same long beginning ".repeat(60);
  const both = ["why?", "who?"].map(async (end) => pull(fake, await scheduler.open(prompt(text + end), 0), 3));
  expect(await Promise.all(both)).toEqual([await alone(`${text}why?`, 3), await alone(`${text}who?`, 3)]);
  const prefilled = rows(fake)
    .flat()
    .filter((n) => n > 1);
  expect(prefilled.reduce((a, b) => a + b)).toBeLessThan(text.length + 20);
});

test("scheduler: the next turn continues what is kept; what is not used goes when others need the room", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake, { memory: 20 * 64 });
  const turn = async (text: string, pages: number) => {
    const sequence = await scheduler.open(prompt(text), pages * 64);
    await pull(fake, sequence, 2);
    sequence.release();
    return { shared: sequence.shared, text: String.fromCharCode(...sequence.ids) };
  };
  const one = await turn("question", 2);
  const two = await turn(`${one.text}? another`, 2);
  expect(two.shared).toBe(one.text.length);
  expect([session.count(), fake.calls.filter((call) => call.startsWith("truncate"))]).toEqual([1, []]);
  // Others come and go: little is kept, of the latest most.
  for (let i = 0; i < 40; i++) await turn(`${i} other things`, 2);
  expect(session.count()).toBeLessThanOrEqual(3);
  expect((await turn(`${two.text} again`, 2)).shared).toBe(0);
  // One that needs all of the memory gets it.
  const all = await scheduler.open(prompt("all"), 20 * 64);
  expect(session.count()).toBe(0);
  expect(await pull(fake, all, 20 * 64 - 3)).toHaveLength(20 * 64 - 3);
});

test("scheduler: memory that sequences gave back is not counted as held", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake, { memory: 100 * 64 });
  const [large, small] = [await scheduler.open(prompt("x".repeat(1000)), 0), await scheduler.open(prompt("y"), 0)];
  await Promise.all([pull(fake, large, 1), pull(fake, small, 1)]);
  expect([scheduler.use.bytes, session.bytes]).toEqual([17 * 64, 17 * 64]);
  large.release();
  const other = await scheduler.open(prompt("z"), 99 * 64); // leaves no room for what is kept
  await pull(fake, other, 1);
  expect([scheduler.use.bytes, session.bytes]).toEqual([2 * 64, 2 * 64]);
});

test("scheduler: a chat that fills the memory keeps its own turns", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake, { memory: 10 * 64 });
  const first = await scheduler.open(prompt("x".repeat(500)), 10 * 64);
  await pull(fake, first, 1);
  first.release();
  const next = await scheduler.open(prompt("x".repeat(560)), 10 * 64);
  expect(next.shared).toBe(500);
  expect(await pull(fake, next, 5)).toBe(await alone("x".repeat(560), 5));
  next.release();
  const other = await scheduler.open(prompt(`${"x".repeat(300)}y`), 10 * 64); // cuts what it takes over
  expect(other.shared).toBe(300);
  expect(await pull(fake, other, 5)).toBe(await alone(`${"x".repeat(300)}y`, 5));
});

test("scheduler: a prefix that is dropped while a pass runs is computed again", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake, { memory: 64 * 64 }); // 8 pages of it may be kept
  const long = "x".repeat(400);
  const before = await scheduler.open(prompt(long), 0);
  await pull(fake, before, 1);
  before.release();
  const [other, running] = [await scheduler.open(prompt("y".repeat(300)), 0), await scheduler.open(prompt("run"), 0)];
  await Promise.all([pull(fake, other, 1), pull(fake, running, 1)]);
  let opened: Promise<Sequence> | undefined;
  fake.onPass = async () => {
    fake.onPass = undefined;
    other.release(); // after this pass, it takes the place of the long one
    opened = scheduler.open(prompt(`${long.slice(0, 200)}?`), 0);
    await tick();
  };
  await pull(fake, running, 1);
  const sequence = await (opened as Promise<Sequence>);
  expect(await pull(fake, sequence, 5)).toBe(await alone(`${long.slice(0, 200)}?`, 5));
  sequence.release();
  expect(await pull(fake, running, 3)).toHaveLength(3);
});

test("scheduler: tenants share no prefix, and each shares its own", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const open = (tenant?: string) => scheduler.open({ ...prompt("the same question"), tenant }, 0);
  for (const tenant of [undefined, "a", "b"]) {
    const first = await open(tenant);
    expect(first.shared).toBe(0);
    await pull(fake, first, 1);
    expect((await open(tenant)).shared).toBe(16);
  }
});
