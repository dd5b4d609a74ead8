import { expect, test } from "vitest";
import type { Sequence } from "../../../src/decode/sequence.js";
import { fakeEngine, fakeScheduler } from "../../support/fake.js";
import { alone, crop, ids, prompt, pull, rows, sampler, tick } from "../../support/scheduler.js";

test("scheduler: those who pull at the same time share every pass, and each gets what it gets alone", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const questions = ["why?", "who is it?", "when?"];
  const answers = questions.map(async (text) => pull(fake, await scheduler.open(prompt(text), 0), 20));
  expect(await Promise.all(answers)).toEqual(await Promise.all(questions.map((text) => alone(text, 20))));
  expect(rows(fake)).toEqual([[4, 10, 5], ...Array(19).fill([1, 1, 1])]);
});

test("scheduler: a sequence whose client does not ask takes part in no pass, and joins when it does", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const [slow, quick] = [await scheduler.open(prompt("slow"), 0), await scheduler.open(prompt("quick"), 0)];
  await pull(fake, slow, 2);
  expect(fake.passes).toHaveLength(2);
  for (let i = 0; i < 10; i++) await tick();
  expect(fake.passes).toHaveLength(2);
  fake.passes.length = 0;
  await pull(fake, quick, 5);
  expect(rows(fake)).toEqual([[5], [1], [1], [1], [1]]);
  await Promise.all([pull(fake, quick, 3), pull(fake, slow, 3)]);
  expect(rows(fake).slice(5)).toEqual([
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
});

test("scheduler: prompts come in long chunks, in short ones while others decode, and with few new crops each", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const decoding = await scheduler.open(prompt("first"), 0);
  await pull(fake, decoding, 1);
  fake.passes.length = 0;
  const crops = Array.from({ length: 40 }, (_, i) => crop(10 + 2 * i, i));
  const text = "x".repeat(1100);
  const reading = await scheduler.open(prompt(text, crops), 0);
  const answered = pull(fake, reading, 1);
  await pull(fake, decoding, 3);
  expect(fake.passes.map((parts) => parts.map((part) => [part.rows, part.crops]))).toEqual([
    [
      [1, 0],
      [14, 2],
    ],
    [
      [1, 0],
      [4, 2],
    ],
    [
      [1, 0],
      [4, 2],
    ],
  ]);
  fake.passes.length = 0;
  expect(await answered).toBe(await alone(text, 1, crops));
  expect(fake.passes.flat().map((part) => part.crops)).toEqual([16, 16, 2, 0]);
  expect(rows(fake).flat()).toEqual([32, 32, 512, 502]);
});

test("scheduler: drafts come of one pass, and wrong guesses leave nothing behind", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake);
  const said = await alone("draft", 8);
  const sequence = await scheduler.open(prompt("draft"), 0);
  await pull(fake, sequence, 1);
  const draft = [...ids(said.slice(1, 4)), 1, 2];
  const { drawn } = await sequence.next({ sampler: sampler(fake), draft });
  expect(String.fromCharCode(...drawn.map(({ id }) => id))).toBe(said.slice(1, 5));
  expect([sequence.computed, session.length(sequence.native as number)]).toEqual([9, 9]);
  expect(said.slice(5)).toBe(await pull(fake, sequence, 3));
  expect(rows(fake)).toEqual([[5], [6], [1], [1], [1]]);
});

test("scheduler: who does not fit waits for its turn, first come, first served; what never fits is refused", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake, { memory: 10 * 64 });
  const open = (text: string, pages: number, signal?: AbortSignal) => scheduler.open(prompt(text), pages * 64, signal);
  await expect(open("huge", 11)).rejects.toMatchObject({
    name: "MemoryError",
    missing: { needed: 704, available: 640 },
  });
  const first = await open("first", 6);
  const order: string[] = [];
  const stop = new AbortController();
  const noted = (name: string) => (sequence: Sequence) => {
    order.push(name);
    return sequence;
  };
  const large = open("large", 8).then(noted("large"));
  const stopped = open("stopped", 9, stop.signal);
  const small = open("small", 2).then(noted("small"));
  await tick();
  expect(order).toEqual([]); // 2 pages would fit, but not before those who came earlier
  stop.abort();
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  first.release();
  await Promise.all([large, small]);
  expect(order).toEqual(["large", "small"]);
  // All pages that were set aside can be used.
  const full = [await pull(fake, await large, 8 * 64 - 4), await pull(fake, await small, 2 * 64 - 4)];
  expect(full.map((text) => text.length)).toEqual([508, 124]);
});

test("scheduler: a stop is heard at once, also in the middle of a pass, and frees the room", async () => {
  const fake = fakeEngine();
  const { scheduler, session } = await fakeScheduler(fake, { memory: 10 * 64 });
  const other = await scheduler.open(prompt("other"), 64);
  const stop = new AbortController();
  const sequence = await scheduler.open(prompt("x".repeat(100)), 9 * 64);
  let end: () => void = () => {};
  fake.onPass = () =>
    new Promise((resolve) => {
      end = resolve;
    });
  const told: number[] = [];
  const onProgress = (done: number): void => void told.push(done);
  const stopped = sequence.next({ sampler: sampler(fake), signal: stop.signal, onProgress });
  const answered = pull(fake, other, 1);
  while (fake.passes.length === 0) await tick();
  const waiting = scheduler.open(prompt("next"), 9 * 64);
  stop.abort();
  await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  sequence.release();
  fake.onPass = undefined;
  end();
  expect(await answered).toBe(await alone("other", 1));
  expect(await pull(fake, await waiting, 2)).toBe(await alone("next", 2));
  expect(session.count()).toBe(2); // there was no room to keep what was stopped
  expect(told).toEqual([0]); // who was stopped hears no more of the pass
});

test("scheduler: what was computed before a stop need not be computed again", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const stop = new AbortController();
  const text = "long ".repeat(300);
  const sequence = await scheduler.open(prompt(text), 0);
  const onProgress = (done: number): void => {
    if (done > 600) stop.abort();
  };
  await expect(sequence.next({ sampler: sampler(fake), signal: stop.signal, onProgress })).rejects.toThrow();
  sequence.release();
  const again = await scheduler.open(prompt(text), 0);
  expect(await pull(fake, again, 3)).toBe(await alone(text, 3));
  expect(again.shared).toBe(1024);
});

test("scheduler: a part that fails hurts nobody else; a pass that fails is told to all who are in it", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const [bad, good] = [await scheduler.open(prompt("bad"), 0), await scheduler.open(prompt("good"), 0)];
  fake.onPass = (parts) => {
    if (parts.some(({ sequence }) => sequence === bad.native))
      throw Object.assign(new Error("no such id"), { code: "invalid_argument" });
  };
  const [failed, answer] = await Promise.allSettled([pull(fake, bad, 3), pull(fake, good, 3)]);
  expect(failed).toMatchObject({ reason: { name: "NativeError", code: "invalid_argument" } });
  expect(answer).toEqual({ status: "fulfilled", value: await alone("good", 3) });
  fake.onPass = () => {
    throw Object.assign(new Error("the device is gone"), { code: "internal" });
  };
  const all = await Promise.allSettled([pull(fake, bad, 1), pull(fake, good, 1)]);
  for (const one of all) expect(one).toMatchObject({ reason: { message: "the device is gone" } });
  fake.onPass = undefined;
  expect(await pull(fake, bad, 3)).toBe(await alone("bad", 3)); // it was as before
});

test("scheduler: what a client's callback throws reaches that client alone", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake);
  const [odd, other] = [await scheduler.open(prompt("odd"), 0), await scheduler.open(prompt("other"), 0)];
  const onProgress = () => {
    throw new Error("mine");
  };
  const failing = odd.next({ sampler: sampler(fake), onProgress });
  const [failed, answer] = await Promise.allSettled([failing, pull(fake, other, 2)]);
  expect(failed).toMatchObject({ reason: { message: "mine" } });
  expect(answer).toMatchObject({ value: await alone("other", 2) });
});

test("scheduler: dispose in the middle ends all who wait, twice is fine", async () => {
  const fake = fakeEngine();
  const { scheduler } = await fakeScheduler(fake, { memory: 64 });
  const sequence = await scheduler.open(prompt("x"), 64);
  const waiting = scheduler.open(prompt("y"), 64);
  fake.onPass = () => scheduler.dispose();
  await expect(pull(fake, sequence, 1)).rejects.toThrow(/disposed/);
  await expect(waiting).rejects.toThrow(/disposed/);
  scheduler.dispose();
  sequence.release();
  await expect(scheduler.open(prompt("z"), 1)).rejects.toThrow(/disposed/);
  await expect(async () => sequence.next({})).rejects.toThrow(/disposed|released/);
  expect(fake.sessions.size).toBe(0);
});

test("scheduler: many clients that come, pause, stop and fork at random get what each gets alone", async () => {
  let seed = 1;
  const random = (n: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const fake = fakeEngine();
  fake.onPass = async () => {
    for (let i = random(3); i > 0; i--) await tick();
  };
  const { scheduler, session } = await fakeScheduler(fake, { memory: 30 * 64 });
  const begins = ["", "the same beginning of many prompts ".repeat(4), "the same", "other words ".repeat(9)];
  const client = async (name: number): Promise<void> => {
    for (let i = random(20); i > 0; i--) await tick();
    const text = `${begins[random(4)]}${random(3)} ${"?".repeat(1 + random(40))}`;
    const crops = random(2) === 0 ? [] : [crop(1, random(3)), crop(3 + random(2), random(3))];
    const tokens = 1 + random(30);
    const want = await alone(text, tokens, crops);
    const stop = new AbortController();
    const stopAt = random(3) === 0 ? random(tokens) : tokens;
    const sequence = await scheduler.open(prompt(text, crops), Math.ceil((text.length + tokens) / 64) * 128 + 4);
    const [sample, start] = [sampler(fake), sequence.ids.length];
    try {
      while (sequence.ids.length - start < tokens) {
        const said = sequence.ids.length - start;
        if (said >= stopAt) setImmediate(() => stop.abort());
        const draft = random(2) === 0 ? ids(want.slice(said, said + random(3))) : [];
        await sequence.next({ sampler: sample, draft: draft.slice(0, tokens - said - 1), signal: stop.signal });
        for (let i = random(3); i > 0; i--) await tick();
        if (random(4) > 0) continue;
        const fork = sequence.fork();
        await fork.next({ sampler: sample });
        const forked = String.fromCharCode(...fork.ids.slice(start)).slice(0, tokens);
        expect(want.startsWith(forked)).toBe(true);
        fork.release();
      }
    } catch (error) {
      expect(error, String(name)).toMatchObject({ name: "AbortError" });
    } finally {
      expect(want.startsWith(String.fromCharCode(...sequence.ids.slice(start)))).toBe(true);
      sequence.release();
    }
  };
  await Promise.all(Array.from({ length: 150 }, (_, name) => client(name)));
  await tick();
  // Nobody holds anything any more, and what is kept gives way.
  const all = await scheduler.open(prompt("all"), 30 * 64);
  expect(session.count()).toBe(0);
  all.release();
});
