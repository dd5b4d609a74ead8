import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { MediaRoot } from "../../../src/eval/media.js";
import { temporaryFolder } from "../../support/files.js";

const outer = temporaryFolder();
const root = join(outer, "data");
for (const folder of ["images/val", "video/1_task", "video/2_task"]) mkdirSync(join(root, folder), { recursive: true });
for (const file of ["a.jpg", "images/val/b.jpg", "video/1_task/c.mp4", "video/2_task/c.mp4", "video/2_task/d.webm"])
  writeFileSync(join(root, file), "x");
writeFileSync(join(outer, "secret.jpg"), "x");
symlinkSync(join(outer, "secret.jpg"), join(root, "link.jpg"));
symlinkSync(join(root, "a.jpg"), join(root, "inner.jpg"));
const media = await MediaRoot.open(root);
const endings = [".mp4", ".webm"];

test("media: a file is found by its path, in a named folder, or by its name alone", async () => {
  expect(await media.find("a.jpg")).toBe(join(root, "a.jpg"));
  expect(await media.find("images/val/b.jpg")).toBe(join(root, "images/val/b.jpg"));
  expect(await media.find("b.jpg")).toBe(join(root, "images/val/b.jpg"));
  expect(await media.find("val/b.jpg")).toBe(join(root, "images/val/b.jpg"));
  expect(await media.find("c.mp4", { folders: ["video/2_task"] })).toBe(join(root, "video/2_task/c.mp4"));
  expect(await media.find("d", { endings })).toBe(join(root, "video/2_task/d.webm"));
  expect(await media.find("inner.jpg")).toBe(join(root, "a.jpg"));
});

test("media: of several files with a name none is taken", async () => {
  await expect(media.find("c.mp4")).rejects.toThrow(/There are 2 files called c\.mp4 below/);
  await expect(media.find("e.mp4")).rejects.toThrow(/there is no file e\.mp4 below/);
  await expect(media.find("other/b.jpg")).rejects.toThrow("there is no file other/b.jpg");
});

for (const name of [
  "/etc/passwd",
  "../secret.jpg",
  "images/../../secret.jpg",
  "https://example.org/a.jpg",
  "file:///etc/passwd",
  "data:,x",
  "-:x",
  "a\0.jpg",
  "..\\secret.jpg",
])
  test(`media: ${JSON.stringify(name)} is not opened`, async () => {
    await expect(media.find(name)).rejects.toThrow(/is not a path below the media root|there is no file/);
  });

test("media: a link that leads out of the root is not followed", async () => {
  await expect(media.find("link.jpg")).rejects.toThrow("leads out of the media root");
  await expect(media.find("images/link.jpg")).rejects.toThrow("there is no file");
});

test("media: a root that is no folder is refused", async () => {
  await expect(MediaRoot.open(join(root, "a.jpg"))).rejects.toThrow("is not a folder");
  await expect(MediaRoot.open(join(root, "absent"))).rejects.toThrow("can't be opened");
});

test("media: parts keep their order, and empty texts are left out", async () => {
  const bytes = new Uint8Array([1]);
  const prompt = ["a", { kind: "image", file: "a.jpg" }, "", { kind: "image", bytes, name: "row 1" }, "b"] as const;
  expect(await media.parts(prompt, 8)).toEqual([
    { type: "text", text: "a" },
    { type: "image", path: join(root, "a.jpg") },
    { type: "image", data: bytes, name: "row 1" },
    { type: "text", text: "b" },
  ]);
});

test("media: a folder of frames is shown as pictures, three of them a second", async () => {
  const folder = join(root, "frames/clip");
  mkdirSync(folder, { recursive: true });
  const png = Buffer.from("89504e470d0a1a0a", "hex");
  for (let i = 1; i <= 12; i++) writeFileSync(join(folder, `${i}.png`), png);
  const shown = async (more: object): Promise<string[]> => {
    const parts = await media.parts([{ kind: "video", file: "clip", folders: ["frames"], ...more }], 3);
    return parts.map((part) => (part.type === "image" && "path" in part ? basename(part.path) : part.type));
  };
  expect(await shown({})).toEqual(["2.png", "6.png", "10.png"]); // of four frames each: the second
  writeFileSync(join(outer, "secret.png"), png);
  rmSync(join(folder, "6.png"));
  symlinkSync(join(outer, "secret.png"), join(folder, "6.png"));
  await expect(shown({})).rejects.toThrow("leads out of the media root");
  rmSync(join(folder, "6.png"));
  writeFileSync(join(folder, "6.png"), png);
  expect(await shown({ start: 1, end: 3 })).toEqual(["4.png", "6.png", "8.png"]); // of frames 4 to 9, two each: the first
});
