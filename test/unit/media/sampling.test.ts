import { describe, expect, test } from "vitest";
import { containerOf, isPlaylist } from "../../../src/media/video/container.js";
import { planRuns } from "../../../src/media/video/ffmpeg-clip.js";
import { parseTime, roundHalfEven, sampleFrames, uniform } from "../../../src/media/video/sampling.js";

const times = (n: number, fps: number) => Float64Array.from({ length: n }, (_, k) => k / fps);

describe("sampling", () => {
  test("one frame a second, as the reference takes them", () => {
    expect(sampleFrames(times(90, 29.97), 29.97)).toEqual([0, 30, 60]);
    expect(sampleFrames(times(10, 0.4), 0.4)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]); // stride never below 1
  });
  test("more than N: the middles of N equal parts (numbers of the reference's Python)", () => {
    // l = list(range(0, 40*25, 25)); gap = len(l) / 16; [l[int(i * gap + gap / 2)] for i in range(16)]
    expect(sampleFrames(times(1000, 25), 25)).toEqual(
      [1, 3, 6, 8, 11, 13, 16, 18, 21, 23, 26, 28, 31, 33, 36, 38].map((i) => i * 25),
    );
    expect(uniform([0, 1, 2, 3, 4], 2)).toEqual([1, 3]);
    expect(uniform([0, 1, 2], 3)).toEqual([0, 1, 2]);
    expect(sampleFrames(times(1000, 25), 25, { maxFrames: 128 })).toHaveLength(40);
  });
  test("Python's round: halves to even", () => {
    expect([0.5, 1.5, 2.5, 12.5, 13.5, 29.97, 2.4].map(roundHalfEven)).toEqual([0, 2, 2, 12, 14, 30, 2]);
    expect(sampleFrames(times(40, 12.5), 12.5)).toEqual([0, 12, 24, 36]);
  });
  test("frames a second, start and end", () => {
    expect(sampleFrames(times(100, 10), 10, { fps: 2, end: 2 })).toEqual([0, 5, 10, 15]);
    expect(sampleFrames(times(100, 10), 10, { start: 3.05, end: 6 })).toEqual([31, 41, 51]);
    expect(sampleFrames(times(100, 10), 10, { fps: 1000, maxFrames: 4096 })).toHaveLength(100);
    expect(() => sampleFrames(times(100, 10), 10, { start: 20 })).toThrow(/last frame is at 9\.90 s/);
    expect(() => sampleFrames(times(100, 10), 10, { start: 3, end: 3 })).toThrow(/after its start/);
  });
  test("the middles of equal intervals of all frames (numbers of numpy: linspace(0, n, k + 1).astype(int))", () => {
    const middles = (n: number, maxFrames: number, more = {}) =>
      sampleFrames(times(n, 10), 10, { rule: "middles", maxFrames, ...more });
    expect(middles(10, 3)).toEqual([1, 4, 7]); // [0, 3), [3, 6), [6, 10)
    expect(middles(10, 4)).toEqual([0, 3, 5, 8]); // [0, 2), [2, 5), [5, 7), [7, 10)
    expect(middles(64, 8)).toEqual([3, 11, 19, 27, 35, 43, 51, 59]);
    expect(middles(3, 8)).toEqual([0, 1, 2]);
    expect(middles(100, 2, { fps: 1, start: 2, end: 6 })).toEqual([29, 49]);
  });
  test("named frames", () => {
    expect(sampleFrames(times(100, 10), 10, { frames: [30, 10, 20, 10] })).toEqual([10, 20, 30]);
    expect(() => sampleFrames(times(100, 10), 10, { frames: [100] })).toThrow(/has 100 frames, counted from 0/);
  });
  test.each([0, Number.NaN, -5, 1e9, Number.POSITIVE_INFINITY])(
    "a rate of %d is replaced by what the times say",
    (fps) => {
      expect(sampleFrames(times(50, 10), fps)).toEqual([0, 10, 20, 30, 40]);
      expect(sampleFrames(new Float64Array(3), fps)).toEqual([0, 1, 2]);
      expect(sampleFrames(new Float64Array(1), fps)).toEqual([0]);
    },
  );
  test("a rate above the number of frames leaves the first", () => {
    expect(sampleFrames(times(5, 30), 30)).toEqual([0]);
    expect(sampleFrames(times(5, 30), 30, { fps: 1e-9 })).toEqual([0]);
  });
  test("times", () => {
    expect(["90", "1:30", "1:02:03.5", ".5", "120:00"].map(parseTime)).toEqual([90, 90, 3723.5, 0.5, 7200]);
    for (const bad of ["", "a", "1:60", "-1", "1:2:3:4", "1e3", "1:99:00"]) expect(parseTime(bad)).toBeNaN();
  });
});

describe("runs of the decoder", () => {
  const timeline = (n: number, keys: number) => ({
    pts: Float64Array.from({ length: n }, (_, k) => k * 10),
    key: Uint8Array.from({ length: n }, (_, k) => (k % keys === 0 ? 1 : 0)),
    timeBase: 0.001,
    startTime: 0,
    times: new Float64Array(n),
  });
  test("near frames share a run, far ones start at a key frame", () => {
    const runs = planRuns(timeline(1000, 50), [0, 30, 500, 510, 990], 60);
    expect(runs.map((run) => run.indices)).toEqual([[0, 30], [500, 510], [990]]);
    expect(runs.map((run) => run.seek)).toEqual([null, 4.995, 9.895]);
    expect(runs.map((run) => run.first)).toEqual([0, 500, 990]);
  });
  test("no seeking without times or without key frames on the way", () => {
    expect(planRuns({ ...timeline(1000, 50), pts: null }, [0, 900], 60)).toHaveLength(1);
    expect(planRuns(timeline(1000, 1000), [0, 900], 60)).toHaveLength(1);
  });
  test("a first frame far inside starts with a seek", () => {
    expect(planRuns(timeline(1000, 50), [700], 60)).toEqual([{ first: 700, seek: 6.995, indices: [700] }]);
  });
});

describe("containers by their first bytes", () => {
  const bytes = (text: string) => Buffer.from(text, "latin1");
  test.each([
    ["\0\0\0\x20ftypisom", "mov"],
    ["\0\0\0\x08wide\0\0\0\0mdat", "mov"],
    ["\0\0\0\x20ftypavif", null],
    ["\0\0\0\x20ftypheic", null],
    ["\x1a\x45\xdf\xa3\x01", "matroska"],
    ["RIFF\0\0\0\0AVI LIST", "avi"],
    ["RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0", "webp"],
    ["RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0", null],
    ["RIFF\0\0\0\0WEBPVP8L", null],
    ["GIF89a", "gif"],
    ["\x89PNG\r\n\x1a\n", null],
    ["#EXTM3U", null],
    ["", null],
  ])("%j", (head, container) => {
    expect(containerOf(bytes(head))).toBe(container);
  });
  test("playlists", () => {
    for (const text of [
      "#EXTM3U\n",
      "\xef\xbb\xbf#EXTM3U",
      "ffconcat version 1.0",
      "<?xml version",
      "  <MPD ",
      "[playlist]",
      "file '/etc/passwd'",
    ])
      expect(isPlaylist(bytes(text))).toBe(true);
    expect(isPlaylist(bytes("hello"))).toBe(false);
  });
});
