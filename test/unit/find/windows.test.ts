import { expect, test } from "vitest";
import { windowsOf } from "../../../src/find/windows.js";

const each = (n: number, step = 1): number[] => Array.from({ length: n }, (_, i) => i * step);
const shown = (windows: ReturnType<typeof windowsOf>): [number, number, number, number][] =>
  windows.map(({ start, end, from, to }) => [start, end, from, to]);

test("windows: one after another, the last one shorter", () => {
  expect(shown(windowsOf(each(7), { start: 0, end: 7, length: 2, stride: 2 }))).toEqual([
    [0, 2, 0, 2],
    [2, 4, 2, 4],
    [4, 6, 4, 6],
    [6, 7, 6, 7],
  ]);
});

test("windows: overlapping ones end with the first that reaches the end", () => {
  expect(shown(windowsOf(each(5), { start: 0, end: 5, length: 3, stride: 1 }))).toEqual([
    [0, 3, 0, 3],
    [1, 4, 1, 4],
    [2, 5, 2, 5],
  ]);
});

test("windows: with gaps between them, frames in a gap are not shown", () => {
  expect(shown(windowsOf(each(10), { start: 0, end: 10, length: 1, stride: 4 }))).toEqual([
    [0, 1, 0, 1],
    [4, 5, 4, 5],
    [8, 9, 8, 9],
  ]);
});

test("windows: a clip that is shorter than a window is one", () => {
  expect(shown(windowsOf(each(3), { start: 0, end: 3, length: 60, stride: 60 }))).toEqual([[0, 3, 0, 3]]);
  expect(shown(windowsOf([0], { start: 0, end: 0, length: 2, stride: 2 }))).toEqual([[0, 0, 0, 1]]);
});

test("windows: where no frame begins, the one on the screen counts, and what shows the same is one window", () => {
  expect(shown(windowsOf([0, 5], { start: 0, end: 8, length: 2, stride: 2 }))).toEqual([
    [0, 4, 0, 1],
    [4, 8, 1, 2],
  ]);
  // A stride far below the frames' distance asks nothing twice.
  expect(windowsOf(each(3), { start: 0, end: 3, length: 1, stride: 0.01 }).map(({ from, to }) => [from, to])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
});

test("windows: a part of a clip, and times that are rounded", () => {
  const times = each(10).map((time) => time + 60);
  expect(shown(windowsOf(times, { start: 60, end: 70, length: 5, stride: 5 }))).toEqual([
    [60, 65, 0, 5],
    [65, 70, 5, 10],
  ]);
  const early = each(6).map((time) => time - 0.0004);
  expect(
    shown(windowsOf(early, { start: 0, end: 6, length: 2, stride: 2 })).map(([, , from, to]) => [from, to]),
  ).toEqual([
    [0, 2],
    [2, 4],
    [4, 6],
  ]);
});

test("windows: every frame of any clip is shown when strides are no longer than windows", () => {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let round = 0; round < 200; round++) {
    const times: number[] = [];
    for (let time = 0; times.length < 30; time += 0.05 + 2 * random()) times.push(time);
    const length = 0.1 + 4 * random();
    const end = (times.at(-1) as number) + random();
    const windows = windowsOf(times, { start: 0, end, length, stride: length * (0.2 + 0.8 * random()) });
    const seen = new Set(windows.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)));
    expect(seen.size).toBe(30);
    for (const [i, { start, end: stop, from, to }] of windows.entries()) {
      expect(to).toBeGreaterThan(from);
      expect(stop).toBeGreaterThan(start);
      if (i > 0) expect(from).toBeGreaterThanOrEqual(windows[i - 1]?.from as number);
    }
    expect(windows.at(-1)?.end).toBe(end);
  }
});
