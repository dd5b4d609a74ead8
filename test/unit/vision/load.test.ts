import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { mediaPart } from "../../../src/cli/chat/media.js";
import { readMediumHead } from "../../../src/media/head.js";
import type { InputImage, InputVideo } from "../../../src/prompt/messages.js";
import { closeMedia } from "../../../src/vision/chat-media.js";
import { mediaLoader } from "../../../src/vision/load.js";
import { fixtures } from "../../support/files.js";

vi.mock("../../../src/media/head.js", async (original) => {
  const head = await original<typeof import("../../../src/media/head.js")>();
  return { ...head, readMediumHead: vi.fn(head.readMediumHead) };
});
const heads = vi.mocked(readMediumHead);
beforeEach(() => {
  heads.mockClear();
});

const cropSize = 4;
const bytes = 3 * cropSize ** 2;
const load = mediaLoader(
  {
    cutImage: async (rgb, _width, _height, _size, grid) =>
      new Uint8Array(bytes * (grid ? grid[0] * grid[1] + 1 : 1)).fill(rgb[0] ?? 0),
  },
  cropSize,
);
const picture = join(fixtures, "golden/media/red.png");

async function cropsOf(part: InputImage | InputVideo): Promise<Uint8Array[]> {
  const media = await load(part, { cut: true });
  const all: Uint8Array[] = [];
  for (let time = 0; time < 2; time++) for await (const crop of media.pixels?.crops() ?? []) all.push(crop);
  expect(all).toHaveLength(2 * media.report.crops);
  await closeMedia(media);
  expect(media.pixels).toBeUndefined();
  return all;
}

test("a picture: its head is read once, however it is given and however often its crops are read", async () => {
  const byPath = await cropsOf({ type: "image", path: picture });
  expect(heads).toHaveBeenCalledTimes(1);
  const opened = await cropsOf((await mediaPart(picture)) as InputImage);
  expect(heads).toHaveBeenCalledTimes(2);
  expect(byPath).toHaveLength(10);
  expect(opened).toEqual(byPath);
  expect(opened[0]).toEqual(new Uint8Array(bytes).fill(byPath[0]?.[0] ?? -1));
});

test("an animation as a video: the container is known from the one look at its head", async () => {
  const clip = join(fixtures, "clips/anim.gif");
  const part = await mediaPart(clip, "video");
  expect(part).toMatchObject({ type: "video", source: { kind: "image", container: "gif", path: clip } });
  await cropsOf(part);
  expect(heads).toHaveBeenCalledTimes(1);
});

test("what a picture or video says of its own crops and frames goes before the options", async () => {
  const one = await load({ type: "image", path: picture, cut: false }, { cut: true });
  const all = await load({ type: "image", path: picture, cut: true }, { cut: false });
  expect([one.report.crops, all.report.crops]).toEqual([1, 5]);
  const clip = join(fixtures, "clips/anim.gif");
  const options = { cut: false, video: { maxFrames: 3, end: 1e6 } };
  const frames = { type: "video" as const, path: clip, sampling: { frames: [1] } };
  const some = await load(frames, options);
  expect(some.report.video?.frames.map(({ index }) => index)).toEqual([1]);
  for (const media of [one, all, some]) await closeMedia(media);
});

test("frames as bytes are a video; a picture or frame of too many pixels is refused by its name", async () => {
  const data = readFileSync(picture);
  const asPath = await cropsOf({ type: "video", frames: [picture, picture] });
  expect(await cropsOf({ type: "video", frames: [data, picture] })).toEqual(asPath);
  const refused = (part: InputImage | InputVideo) => load(part, { cut: false, maxPixels: 10 });
  await expect(refused({ type: "image", data, name: "picture 1" })).rejects.toThrow(
    /^picture 1 has .* at most 0.00001 mega/,
  );
  await expect(refused({ type: "video", frames: [data] })).rejects.toThrow(/^frame 1 has .* pixels/);
  const clip = join(fixtures, "../../examples/moving.mp4");
  await expect(refused({ type: "video", path: clip })).rejects.toThrow(/more than the 10 pixels/);
});
