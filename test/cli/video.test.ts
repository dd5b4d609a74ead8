import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { folder, run } from "../support/cli.js";
import { fixtures } from "../support/files.js";
import { converter } from "../support/model.js";

const clip = (name: string) => path.join(fixtures, "clips", name);
const picture = (name: string) => path.join(fixtures, "golden/media", name);
const convertedTo = converter("golden/model");
let model: string;
beforeAll(async () => {
  model = await convertedTo("f32");
});

const owl3 = (args: string[], options: { input?: Buffer | string; env?: Record<string, string> } = {}) =>
  run(args, {
    ...options,
    env: { ...process.env, OWL3_MODEL: model, OWL3_CACHE_DIR: path.join(folder, "cache"), ...options.env },
  });
const short = ["--max-tokens", "4", "--temp", "0", "--decoder", "builtin"];
interface Json {
  text: string;
  prompt: string;
  media: { path: string; crops: number; video?: { decoder: string; frames: { index: number; time: number }[] } }[];
}
const json = (args: string[], options = {}) => {
  const run = owl3(args, options);
  expect(run.err).toBe("");
  expect(run.code).toBe(0);
  return JSON.parse(run.out) as Json;
};
const indices = (result: Json) => result.media.map(({ video }) => video?.frames.map(({ index }) => index));

test('video clip.mp4 -q "question": -q is quiet, the next word is the question', () => {
  const quiet = owl3(["video", clip("h264.mp4"), "-q", "What happens at the end?", ...short]);
  expect(quiet).toMatchObject({ code: 0, err: "" });
  expect(quiet.out.trim()).not.toBe("");
  const named = owl3(["video", clip("h264.mp4"), "-p", "What happens at the end?", ...short]);
  expect(named.out).toBe(quiet.out);
  expect(owl3(["video", clip("h264.mp4"), "-q", "Who is it?", ...short, "--dry-run"]).out).toContain("Who is it?");
});

test("without a question it is described; a question may come through a pipe", () => {
  const args = ["video", clip("one-frame.mp4"), "--dry-run", "--json", ...short];
  expect(json(args).prompt).toContain("<|end_video_frame|>\nDescribe this video.<|im_end|>");
  expect(json(args, { input: "What is seen?\n" }).prompt).toContain("What is seen?<|im_end|>");
});

test("sampling options, reported in --json with index and time", () => {
  const look = (...args: string[]) =>
    json(["video", clip("h264.mp4"), "Why is it?", "--dry-run", "--json", ...short, ...args]);
  expect(indices(look())).toEqual([[0, 30, 60]]);
  expect(indices(look("--fps", "3", "--end", "0:01"))).toEqual([[0, 10, 20]]);
  expect(indices(look("--fps", "30", "--max-frames", "2"))).toEqual([[22, 67]]);
  expect(look("--frames", "30,10,20").media[0]?.video).toMatchObject({
    decoder: "builtin",
    frames: [10, 20, 30].map((index) => ({ index, time: expect.closeTo(index / 30, 5) })),
  });
});

test.each([
  [["--fps", "0"], 2, /--fps/],
  [["--fps", "nan"], 2, /--fps/],
  [["--max-frames", "0"], 2, /--max-frames/],
  [["--start", "1:99"], 2, /seconds or mm:ss/],
  [["--start", "50"], 2, /no frame lies between 50 s/],
  [["--frames", "5,a"], 2, /--frames/],
  [["--frames", "90"], 2, /has 90 frames, counted from 0/],
  [["--decoder", "other"], 2, /--decoder/],
])("%j is refused in a sentence", (args, code, message) => {
  const run = owl3(["video", clip("h264.mp4"), "Why is it?", ...short, ...args]);
  expect(run.err).toMatch(message);
  expect(run.err.trim().split("\n")).toHaveLength(1);
  expect(run).toMatchObject({ code, out: "" });
});

test("several clips, pictures beside them, and stdin", () => {
  const result = json(
    [
      "video",
      clip("h264.mp4"),
      "-",
      "--image",
      picture("red.png"),
      "What is it?",
      "--dry-run",
      "--json",
      "--no-cut",
      ...short,
    ],
    { input: readFileSync(clip("vp9.webm")) },
  );
  expect(result.media.map(({ path: name, crops }) => [path.basename(name), crops])).toEqual([
    ["h264.mp4", 3],
    ["stdin", 2],
    ["red.png", 1],
  ]);
  expect(result.prompt.match(/<\|start_video_frame\|>/g)).toHaveLength(2);
});

test("chat takes clips, by their bytes; an animation is a picture there and a video here", () => {
  const named = path.join(folder, "clip.png");
  copyFileSync(clip("h264.mp4"), named);
  const chat = json(["chat", named, clip("anim.gif"), "What is it?", "--dry-run", "--json", ...short]);
  expect(indices(chat)).toEqual([[0, 30, 60], undefined]);
  expect(indices(json(["video", clip("anim.gif"), "What is it?", "--dry-run", "--json", ...short]))).toEqual([[0, 10]]);
});

test("a folder of pictures, in natural order", () => {
  const album = path.join(folder, "album");
  mkdirSync(album);
  for (const name of ["p10.png", "p9.png", "p1.png"]) copyFileSync(picture("tiny.png"), path.join(album, name));
  const names = (medium: string) =>
    json(["chat", medium, "-p", "What is it?", "--dry-run", "--json", ...short]).media.map((item) =>
      path.basename(item.path),
    );
  expect(names(album)).toEqual(["p1.png", "p9.png", "p10.png"]);
  expect(names(path.join(album, "p?.png"))).toEqual(["p1.png", "p9.png"]);
});

test.each([
  ["text.mp4", /neither a picture .* nor a video/],
  ["playlist.mp4", /neither a picture .* nor a video/],
  ["sound-only.mp4", /holds no video/],
  ["cut-index.mp4", /can't be read as a clip/],
  ["missing.mp4", /missing\.mp4/],
  ["av1.mp4", /AV1.*install ffmpeg/],
])("%s: one sentence, exit code 3", (name, message) => {
  const run = owl3(["video", clip(name), "What is it?", ...short]);
  expect(run.err).toMatch(message);
  expect(run.err.trim().split("\n")).toHaveLength(1);
  expect(run).toMatchObject({ code: 3, out: "" });
});

test("a picture is not a video", () => {
  expect(owl3(["video", picture("red.png"), "What is it?"]).err).toMatch(/is a picture, not a video: .*--image/);
  expect(owl3(["video", clip("h264.mp4"), "--image", clip("h264.mp4"), "What is it?"]).err).toMatch(
    /is a video, not a picture/,
  );
  expect(owl3(["video"])).toMatchObject({ code: 2, err: "owl3: give a video, as in `owl3 video clip.mp4`.\n" });
});

test("the cache: filled by a question, shown, off with --no-cache, cleared; answers are the same", () => {
  const env = { OWL3_CACHE_DIR: path.join(folder, "own-cache") };
  const ask = (...args: string[]) =>
    owl3(["video", clip("h264.mp4"), "What is it?", "-q", "--fps", "2", ...short, ...args], { env }).out;
  const shown = () => JSON.parse(owl3(["cache", "--json"], { env }).out) as { entries: number; folder: string };
  const plain = ask("--no-cache");
  expect(shown()).toMatchObject({ entries: 0, folder: env.OWL3_CACHE_DIR });
  expect(ask()).toBe(plain);
  expect(shown().entries).toBe(6);
  expect(ask()).toBe(plain);
  expect(owl3(["cache"], { env }).out).toMatch(/own-cache: 6 crops, .* of at most 2\.0 GB/);
  expect(owl3(["cache", "clear"], { env }).out).toMatch(/removed 6 crops/);
  expect(shown().entries).toBe(0);
});

test("128 frames in one prompt, and keys and values as q8_0", () => {
  const args = ["video", clip("long.mkv"), "What is it?", "--fps", "30", "--max-frames", "128", "--json", ...short];
  const run = owl3([...args, "--kv-type", "q8_0"]);
  expect(run.code).toBe(0);
  const result = JSON.parse(run.out) as Json & { memory: { visual_kv: number } };
  expect(result.media[0]?.crops).toBe(128);
  const full = JSON.parse(owl3([...args, "--kv-type", "f32"]).out) as typeof result;
  expect(result.memory.visual_kv).toBeLessThan(full.memory.visual_kv / 3);
});
