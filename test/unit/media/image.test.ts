import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FileError, UsageError } from "../../../src/errors.js";
import { decodeImage, loadImage } from "../../../src/media/image.js";
import { openSource, readBytes } from "../../../src/media/source.js";
import { fixtures } from "../../support/files.js";

const folder = path.join(fixtures, "pictures/");
const expected: Record<string, [width: number, height: number, sha256: string]> = JSON.parse(
  readFileSync(path.join(folder, "expected.json"), "utf8"),
);
const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex").slice(0, 16);
let temporary: string;
beforeAll(async () => {
  temporary = await mkdtemp(path.join(tmpdir(), "owl3-image-"));
});
afterAll(() => rm(temporary, { recursive: true }));

// Documented differences to PIL.
const different = new Set(["grey16.png"]);

test.each(Object.keys(expected))("%s decodes to what PIL gives", async (file) => {
  const image = await loadImage(path.join(folder, file));
  const [width, height, sha] = expected[file] as [number, number, string];
  expect([image.width, image.height]).toEqual([width, height]);
  expect(image.data.length).toBe(width * height * 3);
  if (!different.has(file)) expect(hash(image.data)).toBe(sha);
});

test("16-bit grey is scaled to 8 bits", async () => {
  const { data, width } = await loadImage(path.join(folder, "grey16.png"));
  for (const x of [0, 1, 20, width - 1]) expect(data[x * 3]).toBe((x * 300) >> 8);
});

test("AVIF is decoded, close to what went in", async () => {
  const rgb = await loadImage(path.join(folder, "rgb.png"));
  const raw = { width: rgb.width, height: rgb.height, channels: 3 } as const;
  const avif = await sharp(rgb.data, { raw }).avif({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer();
  const back = await decodeImage(avif, "x.avif");
  const off = back.data.reduce((sum, v, i) => sum + Math.abs(v - (rgb.data[i] as number)), 0) / back.data.length;
  expect(off).toBeLessThan(6);
});

test("kinds come from bytes, not from names", async () => {
  const png = readFileSync(path.join(folder, "rgb.png"));
  const file = path.join(temporary, "movie.mp4");
  await writeFile(file, png);
  expect(await openSource(file)).toMatchObject({ kind: "image", container: null, path: file });
  expect((await loadImage(file)).width).toBe(45);
  expect(await openSource(path.join(folder, "animated.gif"))).toMatchObject({ kind: "image", container: "gif" });
  const mp4 = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypisom"), Buffer.alloc(60)]);
  expect(await openSource(mp4)).toMatchObject({ kind: "video" });
  await expect(loadImage(mp4, { name: "clip" })).rejects.toThrow("clip is a video, not a picture.");
});

test("stdin and data: URLs give the same picture as the file", async () => {
  const file = path.join(folder, "420.jpg");
  const bytes = readFileSync(file);
  async function* stdin() {
    for (let i = 0; i < bytes.length; i += 100) yield bytes.subarray(i, i + 100);
  }
  const base64 = `data:image/jpeg;base64,${bytes.toString("base64")}`;
  const percent = `data:image/jpeg,${[...bytes].map((b) => `%${b.toString(16).padStart(2, "0")}`).join("")}`;
  const sha = hash((await loadImage(file)).data);
  expect(hash((await loadImage("-", { stdin: stdin() })).data)).toBe(sha);
  expect(hash((await loadImage(base64)).data)).toBe(sha);
  expect(hash((await loadImage(percent)).data)).toBe(sha);
  expect(Buffer.compare(await readBytes(await openSource(base64)), bytes)).toBe(0);
});

test("what is no picture gets one sentence that names it", async () => {
  const fails = async (medium: string | Uint8Array, wanted: string, kind = FileError) => {
    const error = await loadImage(medium, typeof medium === "string" ? {} : { name: "pic" }).catch((e) => e);
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(wanted);
    expect(error.message).not.toContain("\n");
  };
  await fails(path.join(temporary, "none.png"), "there is no file");
  await fails(temporary, "is a folder");
  await fails(new Uint8Array(0), "pic is empty.");
  await fails(Buffer.from("hello, this is no picture at all"), "pic is neither a picture");
  await fails(Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), "pic is an SVG drawing");
  await fails("https://example.org/x.png", "is an address", UsageError as never);
  await fails("data:image/png;base64", "comma", UsageError as never);
  const jpeg = readFileSync(path.join(folder, "420.jpg"));
  await fails(jpeg.subarray(0, jpeg.length / 2), "pic can't be decoded: the file is cut short.");
  const png = readFileSync(path.join(folder, "rgb.png"));
  await fails(png.subarray(0, png.length / 2), "pic can't be decoded");
  const damaged = Buffer.from(png);
  damaged.fill(0x55, 60, 200);
  await fails(damaged, "pic can't be decoded");
  await fails(Buffer.concat([png.subarray(0, 8), Buffer.alloc(100)]), "pic can't be decoded");
});

test("a small file that says it is a huge picture is refused before it is decoded", async () => {
  const png = readFileSync(path.join(folder, "rgb.png"));
  png.writeUInt32BE(12000, 16);
  png.writeUInt32BE(9000, 20);
  png.writeInt32BE(crc32(png.subarray(12, 29)), 29);
  await expect(decodeImage(png, "bomb.png")).rejects.toThrow(/^bomb.png .*100 megapixels/);
});

/** PNG's checksum (zlib.crc32 needs Node 22). */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

test("pictures of one pixel, one row, one column", async () => {
  for (const [width, height] of [
    [1, 1],
    [3000, 1],
    [1, 3000],
  ] as const) {
    const png = await sharp({ create: { width, height, channels: 3, background: "#010203" } })
      .png()
      .toBuffer();
    const image = await decodeImage(png, "x");
    expect([image.width, image.height, image.data.length]).toEqual([width, height, width * height * 3]);
    expect([...image.data.subarray(-3)]).toEqual([1, 2, 3]);
  }
});
