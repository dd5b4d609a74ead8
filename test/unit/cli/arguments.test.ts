import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { splitArguments } from "../../../src/cli/chat/arguments.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const photo = path.join(folder, "photo.png");
const plain = path.join(folder, "Describe");
beforeAll(() => {
  for (const file of [photo, plain, path.join(folder, "What1")]) writeFileSync(file, "x");
  mkdirSync(path.join(folder, "album"));
});

test("what names nothing is the question: one word, words without quotes, languages without spaces", async () => {
  for (const question of [
    "OCR",
    "What?",
    "描述这张图片",
    "これは何ですか？",
    "is it red/blue or green?",
    "1+1=?",
    "[OCR]",
  ]) {
    expect(await splitArguments([photo, question], undefined)).toEqual({ media: [photo], prompt: question });
    expect(await splitArguments([question, photo], undefined)).toEqual({ media: [photo], prompt: question });
  }
  expect(await splitArguments([photo, "what", "is", "this?"], undefined)).toEqual({
    media: [photo],
    prompt: "what is this?",
  });
  expect(await splitArguments([photo, "-"], undefined)).toEqual({ media: [photo, "-"], prompt: undefined });
});

test("a name that exists is a file, whatever it looks like; patterns are files if they match any", async () => {
  expect(await splitArguments([plain, "Describe"], undefined)).toEqual({ media: [plain], prompt: "Describe" });
  expect((await splitArguments([path.join(folder, "album")], undefined)).media).toHaveLength(1);
  const pattern = path.join(folder, "pho*");
  expect(await splitArguments([pattern, "what is it"], undefined)).toEqual({ media: [pattern], prompt: "what is it" });
  expect(
    (await splitArguments(["https://example.org/a.png", "data:image/png;base64,AA==", "hi"], undefined)).media,
  ).toHaveLength(2);
});

test("what looks like a path or a media file and does not exist is an error that names -p", async () => {
  for (const lost of ["nowhere.png", "album/one", "./x", "my cat.JPG", "~/my photos", "clip.mp4", "scan.heic"])
    await expect(splitArguments([lost, "what is it"], undefined)).rejects.toThrow(
      `there is no file ${lost}; if it belongs to the question, say so with -p "..."`,
    );
  await expect(splitArguments(["*.jpg"], undefined)).rejects.toThrow("no file matches *.jpg");
});

test("beside a quoted question or --prompt, a word that names nothing is a missing file, not a part of the question", async () => {
  await expect(splitArguments(["potos", "what is it"], undefined)).rejects.toThrow("there is no file potos;");
  await expect(splitArguments(["potos"], "What?")).rejects.toThrow("there is no file potos.");
  await expect(splitArguments([photo, ""], undefined)).rejects.toThrow("the prompt is empty");
});
