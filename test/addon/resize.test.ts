import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import type { Binding } from "../../src/native/binding.js";

const native = createRequire(import.meta.url)("../../build/Release/owl3.node") as Binding;
type Case = [width: number, height: number, outWidth: number, outHeight: number, seed: number, sha256: string];
const cases: Case[] = JSON.parse(readFileSync(new URL("../fixtures/resize/pillow.json", import.meta.url), "utf8"));

/** The generator of tools/fixtures/resize.py. */
function picture(width: number, height: number, seed: number): Uint8Array {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < out.length; i++) {
    let x = Math.imul(i + seed * 7919, 2654435761) >>> 0;
    x = (x ^ (x >>> 15)) >>> 0;
    x = Math.imul(x, 2246822519) >>> 0;
    x = (x ^ (x >>> 13)) >>> 0;
    const extreme = (x >>> 8) % 7;
    out[i] = extreme === 0 ? 0 : extreme === 1 ? 255 : x & 255;
  }
  return out;
}
const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex").slice(0, 16);

test("resize equals Pillow bit for bit at every size", async () => {
  expect(cases.length).toBeGreaterThan(300);
  const wrong: Case[] = [];
  for (const c of cases) {
    const [width, height, outWidth, outHeight, seed, expected] = c;
    const out = await native.resize(picture(width, height, seed), width, height, outWidth, outHeight);
    if (out.length !== outWidth * outHeight * 3 || hash(out) !== expected) wrong.push(c);
  }
  expect(wrong).toEqual([]);
});

test("cutImage gives the cells of the resized picture row by row, then the global view", async () => {
  const [width, height, s, rows, columns] = [301, 207, 42, 2, 3];
  const rgb = picture(width, height, 1);
  const whole = await native.resize(rgb, width, height, columns * s, rows * s);
  const global = await native.resize(rgb, width, height, s, s);
  const crops = await native.cutImage(rgb, width, height, s, [rows, columns]);
  expect(crops.length).toBe((rows * columns + 1) * s * s * 3);
  for (let cell = 0; cell < rows * columns; cell++)
    for (let y = 0; y < s; y++) {
      const row = Math.floor(cell / columns) * s + y;
      const from = (row * columns * s + (cell % columns) * s) * 3;
      const at = (cell * s + y) * s * 3;
      expect(Buffer.compare(crops.subarray(at, at + s * 3), whole.subarray(from, from + s * 3))).toBe(0);
    }
  expect(Buffer.compare(crops.subarray(rows * columns * s * s * 3), global)).toBe(0);
  expect(Buffer.compare(await native.cutImage(rgb, width, height, s, null), global)).toBe(0);
});

test("sizes that make no sense are refused with a code", async () => {
  const invalid = expect.objectContaining({ code: "invalid_argument" });
  const rgb = picture(2, 2, 0);
  expect(() => native.resize(rgb, 3, 2, 1, 1)).toThrow(invalid);
  expect(() => native.resize(rgb, 2, -2, 1, 1)).toThrow(invalid);
  expect(() => native.resize(rgb, 2, 2, 1.5, 1)).toThrow(invalid);
  expect(() => native.resize([] as unknown as Uint8Array, 0, 0, 1, 1)).toThrow(invalid);
  await expect(native.resize(new Uint8Array(0), 0, 0, 1, 1)).rejects.toEqual(invalid);
  await expect(native.resize(rgb, 2, 2, 0, 1)).rejects.toEqual(invalid);
  await expect(native.resize(rgb, 2, 2, 1 << 21, 1)).rejects.toEqual(invalid);
  await expect(native.resize(rgb, 2, 2, 1 << 20, 1 << 20)).rejects.toEqual(invalid);
  expect(() => native.cutImage(rgb, 2, 2, 14, [0, 2])).toThrow(invalid);
  expect(() => native.cutImage(rgb, 2, 2, 14, "2*3" as unknown as [number, number])).toThrow(invalid);
  await expect(native.cutImage(rgb, 2, 2, 0, null)).rejects.toEqual(invalid);
});

test("the pixels outlive the call even when the caller drops them", async () => {
  const expected = hash(await native.resize(picture(900, 700, 3), 900, 700, 300, 200));
  const running = Array.from({ length: 8 }, () => native.resize(picture(900, 700, 3), 900, 700, 300, 200));
  for (let i = 0; i < 20; i++) picture(300, 300, i);
  expect((await Promise.all(running)).map(hash)).toEqual(running.map(() => expected));
});
