import { writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { loadImage } from "../../../src/media/image.js";
import { openSource } from "../../../src/media/source.js";
import { root, temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const bytes = (text: string) => Buffer.from(text.padEnd(80, "\0"), "latin1");

test("formats that people have and that are not decoded: their name, and what to do", async () => {
  for (const [start, name, advice] of [
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture", "heif-convert"],
    ["BM\x36\0\x0c\0\0\0\0\0", "a BMP picture", "as PNG or JPEG"],
    ["%PDF-1.7\n", "a PDF document", "pdftoppm"],
    ["<svg xmlns='x'>", "an SVG drawing", "as PNG"],
    ["\xff\x0a", "a JPEG XL picture", "as PNG"],
    ["ID3\x04", "a sound file", "only pictures and videos"],
  ] as const) {
    const error = await loadImage(bytes(start), { name: "x.file" }).catch((e: Error) => e);
    expect((error as Error).message).toContain(`x.file is ${name}, which is not read here: `);
    expect((error as Error).message).toContain(advice);
  }
  await expect(openSource(bytes("hello"))).rejects.toThrow("neither a picture");
});

test("a TIFF that libvips does not read is not called damaged without doubt", async () => {
  // Little-endian, one directory: 1 x 1 pixel of three planes of 64-bit floats.
  const tags = [
    [256, 3, 1, 1],
    [257, 3, 1, 1],
    [258, 3, 1, 64],
    [259, 3, 1, 1],
    [262, 3, 1, 2],
    [273, 4, 1, 200],
    [277, 3, 1, 3],
    [279, 4, 1, 24],
    [284, 3, 1, 2],
    [339, 3, 1, 3],
  ];
  const tiff = Buffer.alloc(240);
  tiff.write("II*\0", "latin1");
  tiff.writeUInt32LE(8, 4);
  tiff.writeUInt16LE(tags.length, 8);
  for (const [i, [tag = 0, type = 0, count = 0, value = 0]] of tags.entries()) {
    tiff.writeUInt16LE(tag, 10 + 12 * i);
    tiff.writeUInt16LE(type, 12 + 12 * i);
    tiff.writeUInt32LE(count, 14 + 12 * i);
    tiff.writeUInt32LE(value, 18 + 12 * i);
  }
  await expect(loadImage(tiff, { name: "a.tif" })).rejects.toThrow(
    /a\.tif can't be decoded: it is damaged, or a kind of TIFF that is not read here/,
  );
});

test("a file: URL is a path", async () => {
  const shapes = path.join(root, "examples/shapes.png");
  expect((await openSource(pathToFileURL(shapes).href)).path).toBe(shapes);
  writeFileSync(path.join(folder, "a b.png"), "");
  await expect(openSource(pathToFileURL(path.join(folder, "a b.png")).href)).rejects.toThrow("a b.png is empty");
  await expect(openSource("file://elsewhere/a.png")).rejects.toThrow("is not a local path");
});
