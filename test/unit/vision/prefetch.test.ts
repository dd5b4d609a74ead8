import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { prefetch } from "../../../src/vision/prefetch.js";

function numbers(n: number, failAt = Number.POSITIVE_INFINITY) {
  const state = { made: 0, closed: false };
  async function* source() {
    try {
      for (let i = 0; i < n; i++) {
        await tick();
        if (i === failAt) throw new Error("broken");
        state.made++;
        yield i;
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, source: source() };
}

test("everything, in order, and the source is closed", async () => {
  const { state, source } = numbers(20);
  const got: number[] = [];
  for await (const i of prefetch(source, 3)) got.push(i);
  expect(got).toEqual([...Array(20).keys()]);
  expect(state.closed).toBe(true);
});

test("reads ahead of its reader, by no more than was said", async () => {
  const { state, source } = numbers(100);
  let read = 0;
  let most = 0;
  for await (const _ of prefetch(source, 3)) {
    read++;
    for (let i = 0; i < 20; i++) await tick();
    most = Math.max(most, state.made - read);
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(3);
});

test("an error comes in its place", async () => {
  const { state, source } = numbers(10, 4);
  const got: number[] = [];
  await expect(
    (async () => {
      for await (const i of prefetch(source, 3)) got.push(i);
    })(),
  ).rejects.toThrow("broken");
  expect(got).toEqual([0, 1, 2, 3]);
  expect(state.closed).toBe(true);
});

test("leaving early ends the source", async () => {
  const { state, source } = numbers(100);
  for await (const i of prefetch(source, 2)) if (i === 5) break;
  expect(state.closed).toBe(true);
  expect(state.made).toBeLessThan(12);
});
