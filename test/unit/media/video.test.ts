import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { cleanUp } from "../../../src/cleanup.js";
import { systemFfmpeg } from "../../../src/media/video/system.js";
import { type Clip, openClip } from "../../../src/media/video.js";
import { fixtures, temporaryFolder } from "../../support/files.js";

// Clips and what a full decode by ffmpeg gives for each are made by tools/fixtures/clips.mjs.
const clipPath = (name: string) => join(fixtures, "clips", name);
interface Expected {
  width: number;
  height: number;
  fps: string;
  frames: string[];
  /** Where decoders have no common truth: average colours of four bands of each frame. */
  averages?: number[][];
}
const expected = JSON.parse(readFileSync(clipPath("expected.json"), "utf8")) as Record<string, Expected>;
const ratio = (text: string) => {
  const [a = 0, b = 1] = text.split("/").map(Number);
  return a / b;
};

const notBuiltin = new Set(["av1.mp4"]);

const decoders = ["builtin", "system"] as const;
const ffmpeg = await systemFfmpeg();
let clip: Clip | undefined;
afterEach(async () => {
  await clip?.close();
  clip = undefined;
  vi.unstubAllEnvs();
});

describe.each(decoders)("%s decoder", (decoder) => {
  // The system's ffmpeg is optional: without one there is nothing to test here.
  const absent = decoder === "system" && !ffmpeg;
  const names = Object.keys(expected).filter((name) => decoder === "system" || !notBuiltin.has(name));

  test.skipIf(absent).each(names)("every frame of %s is the one of a full decode", async (name) => {
    const want = expected[name] as Expected;
    clip = await openClip(clipPath(name), { decoder });
    expect(clip.info).toMatchObject({ width: want.width, height: want.height, frames: want.frames.length });
    expect(clip.info.fps).toBeCloseTo(ratio(want.fps), 9);
    await expectFrames(
      clip,
      want.frames.map((_, k) => k),
      want,
      decoder,
    );
  });

  test
    .skipIf(absent)
    .each(["long.mkv", "h264.mp4", "edit-list.mp4", "vfr.mp4", "vp9.webm", "rotated.mp4", "cut.mkv", "mpeg4.avi"])(
    "scattered frames of %s are the right ones, in several calls on one clip",
    async (name) => {
      const want = expected[name] as Expected;
      clip = await openClip(clipPath(name), { decoder });
      const n = want.frames.length;
      await expectFrames(clip, [0, Math.floor(n / 3), Math.floor(n / 2), n - 1], want, decoder);
      await expectFrames(clip, [n - 1], want, decoder);
      await expectFrames(clip, [Math.floor(n * 0.7)], want, decoder);
    },
  );
});

async function expectFrames(open: Clip, indices: number[], want: Expected, decoder: string): Promise<void> {
  const hashes: string[] = [];
  let at = 0;
  for await (const { index, time, image } of open.decode(indices)) {
    expect(index).toBe(indices[at++]);
    expect(time).toBe(open.times[index]);
    expect(image.data.length).toBe(want.width * want.height * 3);
    hashes.push(createHash("sha256").update(image.data).digest("hex").slice(0, 12));
    if (want.averages && decoder === "builtin") expectClose(averagesOf(image.data), want.averages[index] as number[]);
  }
  expect(hashes.length).toBe(indices.length);
  if (!want.averages || decoder === "system") expect(hashes).toEqual(indices.map((k) => want.frames[k]));
}

function averagesOf(frame: Uint8Array): number[] {
  const sums = new Array<number>(12).fill(0);
  frame.forEach((value, i) => {
    const band = Math.floor((i / frame.length) * 4) * 3 + (i % 3);
    sums[band] = (sums[band] as number) + value;
  });
  return sums.map((sum) => (sum * 12) / frame.length);
}

function expectClose(got: number[], want: number[]): void {
  expect(Math.max(...got.map((value, i) => Math.abs(value - (want[i] as number))))).toBeLessThan(2);
}

describe("what is refused, and how", () => {
  test.each([
    ["text.mp4", /text\.mp4 is not a video/],
    ["playlist.mp4", /is a playlist.*not opened/],
    ["empty.mp4", /empty\.mp4 is empty/],
    ["sound-only.mp4", /holds no video/],
    ["cut-index.mp4", /can't be read as a clip/],
    ["missing.mp4", /there is no file/],
    [".", /is a folder/],
  ])("%s", async (name, message) => {
    await expect(openClip(clipPath(name), { decoder: "builtin" })).rejects.toThrow(message);
    await expect(openClip(clipPath(name), { decoder: "builtin" })).rejects.toMatchObject({ exitCode: 3 });
  });

  test("AV1 with the built-in decoder says what to do", async () => {
    await expect(openClip(clipPath("av1.mp4"), { decoder: "builtin" })).rejects.toThrow(/AV1.*install ffmpeg/);
  });

  test.each([
    [{ pixels: 1000 }, /frames of 96x64, more than the 1000 pixels/],
    [{ frames: 10 }, /more than 10 frames/],
    [{ duration: 1 }, /longer than/],
    [{ timeoutMs: 1 }, /took longer than/],
  ])("limits: %o", async (limits, message) => {
    await expect(openClip(clipPath("h264.mp4"), { decoder: "builtin", limits })).rejects.toThrow(message);
  });
});

test("bytes are a clip too, and leave no file behind, neither at the end nor when the process is interrupted", async () => {
  const folder = temporaryFolder();
  vi.stubEnv("TMPDIR", folder);
  const bytes = readFileSync(clipPath("one-frame.mp4"));
  clip = await openClip(bytes);
  await expectFrames(clip, [0], expected["one-frame.mp4"] as Expected, "system");
  expect(readdirSync(folder)).toHaveLength(1);
  await clip.close();
  expect(readdirSync(folder)).toEqual([]);
  clip = await openClip(bytes);
  cleanUp();
  expect(readdirSync(folder)).toEqual([]);
});

test("an abort ends decoding, and the clip can still be read", async () => {
  const want = expected["long.mkv"] as Expected;
  clip = await openClip(clipPath("long.mkv"), { decoder: "builtin" });
  const abort = new AbortController();
  const read = async () => {
    for await (const frame of (clip as Clip).decode([...want.frames.keys()], abort.signal))
      if (frame.index === 3) abort.abort();
  };
  await expect(read()).rejects.toMatchObject({ name: "AbortError" });
  await expectFrames(clip, [5], want, "builtin");
});

test("a reader that stops early stops the decoder", async () => {
  clip = await openClip(clipPath("long.mkv"), { decoder: "builtin" });
  for await (const frame of clip.decode([0, 1, 2, 3, 4, 5])) if (frame.index === 1) break;
  await expectFrames(clip, [7], expected["long.mkv"] as Expected, "builtin");
});

test("many runs of the built-in decoder over one clip", async () => {
  const want = expected["long.mkv"] as Expected;
  clip = await openClip(clipPath("long.mkv"), { decoder: "builtin" });
  for (let k = 1190; k > 0; k -= 40) await expectFrames(clip, [k], want, "builtin");
});
