import { expect, test } from "vitest";
import { Turns } from "../../../src/native/turns.js";
import type { ChatMedia } from "../../../src/vision/chat-media.js";
import { Crops, type EncodedCrop } from "../../../src/vision/crops.js";
import { encodeCrops } from "../../../src/vision/encode-crops.js";
import { Reel } from "../../../src/vision/reel.js";
import { fakeEngine } from "../../support/fake.js";

/** A clip of n frames; `decoded` are those that were asked for. */
async function film(n: number, { breaksAt = n } = {}) {
  const fake = fakeEngine();
  const decoded: number[] = [];
  const media: ChatMedia = {
    type: "video",
    frameCount: n,
    report: {
      ...{ path: "clip", width: 2, height: 2, grid: null, crops: n },
      video: {
        ...{ codec: "none", decoder: "none", fps: 1, duration: n },
        frames: Array.from({ length: n }, (_, index) => ({ index, time: index })),
      },
    },
    pixels: {
      async *crops() {
        for (let i = 0; i < n; i++) {
          if (i === breaksAt) throw new Error(`frame ${i} is damaged`);
          decoded.push(i);
          yield new Uint8Array(12).fill(i);
        }
      },
      close: async () => {},
    },
  };
  const model = await fake.binding.openModel("", {});
  const crops = new Crops({ model, turns: new Turns(), unusedBytes: 0 });
  const reel = new Reel(media, crops, { signal: new AbortController().signal });
  const encode = async (from: number, to: number): Promise<EncodedCrop[]> => {
    const part = reel.part(from, to);
    return encodeCrops(crops, part.pixels?.crops() as AsyncIterable<Uint8Array>, to - from);
  };
  const calls = (): number => fake.calls.reduce((sum, call) => sum + Number(/^encode (\d+)/.exec(call)?.[1] ?? 0), 0);
  return { fake, reel, encode, decoded, calls };
}

test("reel: parts that overlap decode and encode each frame once", async () => {
  const { fake, reel, encode, decoded, calls } = await film(6);
  for (const from of [0, 1, 2, 3]) {
    for (const crop of await encode(from, from + 3)) crop.release();
    reel.drop(from + 1);
  }
  expect(decoded).toEqual([0, 1, 2, 3, 4, 5]);
  expect(calls()).toBe(6);
  await reel.close();
  expect(fake.embeds.size).toBe(0);
});

test("reel: parts may be asked for at the same time", async () => {
  const { reel, encode, decoded, calls } = await film(4);
  const parts = await Promise.all([encode(2, 4), encode(0, 2), encode(1, 3)]);
  expect(parts[0]?.[0]?.key).toBe(parts[2]?.[1]?.key);
  expect(parts[1]?.[1]?.key).toBe(parts[2]?.[0]?.key);
  expect(decoded).toEqual([0, 1, 2, 3]);
  expect(calls()).toBe(4);
  await reel.close();
});

test("reel: only a few frames are decoded ahead of those that are looked at", async () => {
  const { reel, encode, decoded } = await film(100);
  await encode(0, 2);
  expect(decoded.length).toBeLessThan(10);
  await reel.close();
  expect(decoded.length).toBeLessThan(10);
});

test("reel: a single frame is a picture, several are a video with their times", async () => {
  const { reel } = await film(4);
  expect(reel.part(1, 2)).toMatchObject({ type: "image", grid: null, report: { crops: 1 } });
  expect(reel.part(1, 3)).toMatchObject({
    type: "video",
    frameCount: 2,
    report: {
      crops: 2,
      video: {
        frames: [
          { index: 1, time: 1 },
          { index: 2, time: 2 },
        ],
      },
    },
  });
  await reel.close();
});

test("reel: a damaged frame fails the part that shows it, not those before it", async () => {
  const { fake, reel, encode } = await film(4, { breaksAt: 2 });
  for (const crop of await encode(0, 2)) crop.release();
  await expect(encode(1, 3)).rejects.toThrow("frame 2 is damaged");
  await reel.close();
  expect(fake.embeds.size).toBe(0);
});
