import { afterAll, describe, expect, test } from "vitest";
import type { Moment } from "../../src/chat/find.js";
import { Owl } from "../../src/chat/owl.js";
import { joinSpans, rankByProbability } from "../../src/find/spans.js";
import { root } from "../support/files.js";

const clip = { path: `${root}/examples/appears.mp4` }; // a yellow star appears at 3 s of 6
const decoder = "builtin" as const;

describe("the demo model finds what appears in a clip", async () => {
  const owl = await Owl.open(`${root}/models/owl3-demo.gguf`, { threads: 2 });
  afterAll(() => owl.dispose());

  async function find(text: string, options: Parameters<Owl["find"]>[2] = {}): Promise<Moment[]> {
    const moments: Moment[] = [];
    for await (const moment of owl.find(clip, text, { ...options, video: { decoder, ...options.video } }))
      moments.push(moment);
    return moments;
  }
  const spans = (moments: Moment[]): [number, number][] =>
    joinSpans(rankByProbability(moments, {})).map(({ start, end }) => [start, end]);

  test("to the second, with windows of a frame", async () => {
    expect(spans(await find("a yellow star", { window: 1, frames: 1 }))).toEqual([[3, 6]]);
  });

  test("with windows of two frames, one after another or overlapping", async () => {
    expect(spans(await find("a yellow star"))).toEqual([[2, 6]]);
    expect(spans(await find("a yellow star", { stride: 1 }))).toEqual([[2, 6]]);
  });

  test("and does not find what is not there, or is outside of the part that is looked at", async () => {
    expect(spans(await find("a purple cross"))).toEqual([]);
    expect(spans(await find("a yellow star", { video: { end: 2 } }))).toEqual([]);
    expect(spans(await find("a yellow star", { video: { start: 4 } }))).toEqual([[4, 6]]);
  });

  test("a window's probability is that of its frames alone, to the bit", async () => {
    const moments = await find("a yellow star", { window: 3, frames: 3, stride: 1, question: "Is there {}?" });
    expect(moments.map(({ start }) => start)).toEqual([0, 1, 2, 3]);
    for (const { probability, no, frames } of moments) {
      const content = [
        { type: "video" as const, ...clip },
        { type: "text" as const, text: "\nIs there a yellow star?" },
      ];
      const video = { decoder, frames: frames.map(({ index }) => index) };
      const alone = await owl.yesNo([{ role: "user", content }], { video });
      expect([probability, no]).toEqual([alone.yes, alone.no]);
    }
  });
});
