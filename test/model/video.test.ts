import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Owl, type OwlOptions } from "../../src/chat/owl.js";
import type { InputPart } from "../../src/prompt/messages.js";
import { EmbeddingCache } from "../../src/vision/cache.js";
import { fixtures, temporaryFolder } from "../support/files.js";
import { converter } from "../support/model.js";

// The golden cases with frames, through all of it: clip -> frames -> crops -> embeddings -> answer.
const golden = JSON.parse(readFileSync(join(fixtures, "golden/cases.json"), "utf8")) as {
  name: string;
  greedy_ids: number[];
  crops: number;
}[];
const goldenCase = (name: string) => golden.find((item) => item.name === name) as (typeof golden)[number];
const picture = (name: string) => join(fixtures, "golden/media", name);
const frames = [0, 1, 2, 3, 4].map((k) => picture(`frame${k}.png`));
const gguf = converter("golden/model");
const folder = temporaryFolder();
const clip = join(folder, "clip.webp");
let model: string;

beforeAll(async () => {
  model = await gguf("f32");
  // The frames as a clip that loses nothing.
  await sharp(frames, { join: { animated: true } })
    .webp({ lossless: true, delay: frames.map(() => 200) })
    .toFile(clip);
});

const video = (part: object): InputPart[] => [part as InputPart, { type: "text", text: "\nDescribe this video." }];

async function answer(content: InputPart[], options: OwlOptions = {}) {
  await using owl = await Owl.open(model, { threads: 2, ...options });
  await using chat = owl.chat({ video: { fps: 5 } });
  return await chat.ask(content, { temperature: 0, repetitionPenalty: 1, maxTokens: 12 }).result();
}
const ids = (result: { tokens: { id: number }[] }) => result.tokens.map(({ id }) => id);

test("golden video, as a list of frames", async () => {
  const result = await answer(video({ type: "video", frames }));
  expect(ids(result)).toEqual(goldenCase("video").greedy_ids);
  expect(result.usage.crops).toBe(5);
});

test("golden video, as a clip", async () => {
  const result = await answer(video({ type: "video", path: clip }));
  expect(ids(result)).toEqual(goldenCase("video").greedy_ids);
  expect(result.media[0]).toMatchObject({
    width: 320,
    height: 180,
    grid: null,
    crops: 5,
    video: { fps: 5, duration: 1, frames: [0, 1, 2, 3, 4].map((index) => ({ index, time: index / 5 })) },
  });
});

test("golden video beside a picture", async () => {
  const result = await answer([
    { type: "video", frames: frames.slice(0, 2) },
    { type: "text", text: " " },
    { type: "image", path: picture("tiny.png") },
    { type: "text", text: "\nDoes the picture come from the video?" },
  ]);
  expect(result.usage.crops).toBe(goldenCase("video and image").crops);
  expect(ids(result)).toEqual(goldenCase("video and image").greedy_ids);
});

describe("the embedding cache", () => {
  beforeEach(() => vi.stubEnv("OWL3_CACHE_DIR", join(folder, "cache")));
  afterEach(() => vi.unstubAllEnvs());

  test("changes no answer, and a second question runs no vision", async () => {
    const plain = await answer(video({ type: "video", path: clip }));
    const first = await answer(video({ type: "video", path: clip }), { cache: true });
    expect((await new EmbeddingCache().stats()).entries).toBe(5);
    let encoded = 0;
    let told = 0;
    const onProgress: OwlOptions["onProgress"] = (progress) => {
      if (progress.stage === "encode") told = progress.done;
      if (progress.stage === "encode" && progress.msPerCrop > 0) encoded++;
    };
    await using owl = await Owl.open(model, { threads: 2, cache: true });
    await using chat = owl.chat({ video: { fps: 5 } });
    const options = { temperature: 0, repetitionPenalty: 1, maxTokens: 12, onProgress };
    const second = await chat.ask(video({ type: "video", path: clip }), options).result();
    expect(second.tokens).toEqual(plain.tokens);
    expect(first.tokens).toEqual(plain.tokens);
    expect(told).toBe(5);
    expect(encoded).toBe(0);
  });
});
