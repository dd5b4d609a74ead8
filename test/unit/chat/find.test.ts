import { expect, test } from "vitest";
import type { Owl } from "../../../src/chat/owl.js";
import type { Moment } from "../../../src/index.js";
import type { LoadMedia, LoadOptions } from "../../../src/vision/chat-media.js";
import { type Fake, fakeEngine, openFake } from "../../support/fake.js";

/** A model whose clips have a frame a second, n of them. */
async function cinema(n: number, { breaksAt = n } = {}) {
  const fake = fakeEngine();
  const asked: LoadOptions[] = [];
  const loadMedia: LoadMedia = async (_, options) => {
    asked.push(options);
    const pixels = {
      async *crops() {
        for (let i = 0; i < n; i++) {
          if (i === breaksAt) throw new Error(`frame ${i} is damaged`);
          fake.calls.push(`decode ${i}`);
          yield new Uint8Array(12).fill(i + 1);
        }
      },
      close: async () => {
        fake.opened.delete(pixels);
      },
    };
    fake.opened.add(pixels);
    const frames = Array.from({ length: n }, (_, index) => ({ index, time: index }));
    const video = { codec: "none", decoder: "none", fps: 1, duration: n, frames };
    return {
      ...{ type: "video", frameCount: n, pixels },
      report: { path: "clip", width: 2, height: 2, grid: null, crops: n, video },
    };
  };
  const owl = await openFake(fake, loadMedia);
  return { fake, owl, asked };
}

const clip = { path: "clip" };
async function all(moments: AsyncIterable<Moment>): Promise<Moment[]> {
  const list: Moment[] = [];
  for await (const moment of moments) list.push(moment);
  return list;
}
const encoded = (fake: Fake): number =>
  fake.calls.reduce((sum, call) => sum + Number(/^encode (\d+)/.exec(call)?.[1] ?? 0), 0);

test("find: asks of each window once, in the order of time, and each frame is decoded and encoded once", async () => {
  const { fake, owl, asked } = await cinema(6);
  const progress: string[] = [];
  const moments = await all(
    owl.find(clip, "a dog", {
      ...{ window: 2, stride: 1, frames: 2 },
      onProgress: (step) => progress.push(step.stage === "find" ? `${step.done} of ${step.total}` : ""),
    }),
  );
  expect(moments.map(({ start, end }) => [start, end])).toEqual([0, 1, 2, 3, 4].map((at) => [at, at + 2]));
  expect(moments[1]?.frames).toEqual([
    { index: 1, time: 1 },
    { index: 2, time: 2 },
  ]);
  expect(fake.calls.filter((call) => call.startsWith("decode"))).toEqual([0, 1, 2, 3, 4, 5].map((i) => `decode ${i}`));
  expect(encoded(fake)).toBe(6);
  expect(progress.filter(Boolean)).toEqual([0, 1, 2, 3, 4, 5].map((done) => `${done} of 5`));
  expect(asked).toEqual([expect.objectContaining({ cut: false, video: { fps: 1, maxFrames: 4096 } })]);
  expect(fake.opened.size).toBe(0);
  await owl.dispose();
  expect(fake.embeds.size).toBe(0);
});

test("find: a tenant's frames are encoded once, too, and pictures may have so many pixels", async () => {
  const { fake, owl, asked } = await cinema(6);
  await all(owl.find(clip, "a dog", { window: 2, stride: 1, frames: 2, tenant: "a", maxPixels: 1e6 }));
  expect(encoded(fake)).toBe(6);
  expect(asked).toEqual([expect.objectContaining({ maxPixels: 1e6 })]);
});

test("find: a window's probability is that of yes to the question, asked alone about the same frames", async () => {
  const { owl } = await cinema(4);
  const moments = await all(owl.find(clip, "a dog", { question: "Is it {}?" }));
  const { yes, no } = await owl.yesNo([
    {
      role: "user",
      content: [
        { type: "video", ...clip },
        { type: "text", text: "\nIs it a dog?" },
      ],
    },
  ]);
  expect([yes, no].every((p) => p > 0)).toBe(true);
  expect(moments).toHaveLength(2);
  for (const { probability, no: against } of moments) {
    expect(probability).toBe(yes); // this engine's log-probabilities come of the text alone
    expect(against).toBe(no);
  }
  await owl.dispose();
});

test("find: an error comes after the windows before it, and everything is given back", async () => {
  const { fake, owl } = await cinema(8, { breaksAt: 5 });
  const seen: number[] = [];
  await expect(
    (async () => {
      for await (const { start } of owl.find(clip, "a dog")) seen.push(start);
    })(),
  ).rejects.toThrow("frame 5 is damaged");
  expect(seen).toEqual([0, 2]);
  expect(fake.opened.size).toBe(0);
  await owl.dispose();
  expect(fake.embeds.size).toBe(0);
});

test("find: who stops reading, aborts or disposes of the model ends it", async () => {
  const { fake, owl } = await cinema(100);
  for await (const { start } of owl.find(clip, "a dog")) if (start === 4) break;
  expect(fake.opened.size).toBe(0);
  expect(encoded(fake)).toBeLessThan(20);
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { start } of owl.find(clip, "a cat", { signal: stop.signal })) if (start === 4) stop.abort();
  })();
  await expect(reading).rejects.toThrow("abort");
  expect(fake.opened.size).toBe(0);
  const moments = owl.find(clip, "an owl");
  await moments.next();
  await owl.dispose();
  expect(fake.opened.size).toBe(0);
  expect(fake.embeds.size).toBe(0);
  await expect(owl.find(clip, "an owl").next()).rejects.toThrow("this model was disposed");
});

test("find: what can't be looked for is refused in a sentence", async () => {
  const { owl } = await cinema(4);
  await expect(owl.find(clip, " ").next()).rejects.toThrow("what is looked for is empty.");
  await expect(owl.find(clip, "a dog", { question: "Is it?" }).next()).rejects.toThrow("one {}");
  await expect(owl.find(clip, "a dog", { window: 0 }).next()).rejects.toThrow("the length of windows is 0 s");
  await expect(owl.find(clip, "a dog", { stride: Number.NaN }).next()).rejects.toThrow("the stride of windows");
  await expect(owl.find(clip, "a dog", { frames: 1.5 }).next()).rejects.toThrow("a window shows 1.5 frames");
  await owl.dispose();
});

test("find: a video that is given as pictures has no times", async () => {
  const fake = fakeEngine();
  const owl: Owl = await openFake(fake); // its media have no times
  await expect(owl.find(clip, "a dog").next()).rejects.toThrow("clip is no clip with times.");
  expect(fake.opened.size).toBe(0);
  await owl.dispose();
});
