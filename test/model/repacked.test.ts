import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NativeModel } from "../../src/native/model.js";
import { native } from "../../src/native/native.js";
import { fixtures, temporaryFolder } from "../support/files.js";
import { converter, encode, prefill, readCases, session } from "../support/model.js";

// Answers from weights that an earlier start repacked are those of weights that are packed now, to the bit.
const folder = temporaryFolder();
const converted = converter("golden/model");
const cases = (await readCases(join(fixtures, "golden"))).filter(({ offsets }) => offsets.length > 0);
const files = () => readdirSync(folder).map((name) => join(folder, name));

async function logitsOf(weightsCopy?: string): Promise<{ logits: Float32Array; mapped: number; weights: number }> {
  const options = weightsCopy === undefined ? {} : { weightsCopy };
  const loading = native().createLoading();
  const model: NativeModel = await native().openModel(await converted("q4_k_m"), { threads: 2, ...options }, loading);
  expect(loading).toMatchObject({ bytes: model.weightBytes, total: model.weightBytes });
  const c = cases[0] as (typeof cases)[0];
  const embeds = await encode(model, c);
  const s = session(model);
  const { logits } = await prefill(s, s.create(), c, embeds);
  const { mappedBytes: mapped, weightBytes: weights } = model;
  s.dispose();
  embeds?.dispose();
  model.dispose();
  return { logits, mapped, weights };
}

/** Waits until a file has its name: it is flushed to disk meanwhile. */
const written = () => expect.poll(files, { timeout: 30_000 }).toEqual([expect.stringMatching(/\.packed$/)]);

test("the first start, the second and one with a damaged file give the same logits", async () => {
  const prefix = join(folder, "golden");
  const plain = await logitsOf();
  expect(plain.mapped).toBe(0);
  const first = await logitsOf(prefix);
  expect(first.logits).toEqual(plain.logits);
  expect(first.mapped).toBeGreaterThan(0.5 * plain.weights);
  expect(first.mapped).toBeLessThanOrEqual(plain.weights);
  await written();
  const file = files()[0] as string;
  const { ino, size } = statSync(file);
  const second = await logitsOf(prefix);
  expect(second).toEqual(first);
  expect(statSync(file).ino).toBe(ino);
  truncateSync(file, size - 1);
  expect(await logitsOf(prefix)).toEqual(first);
  await expect.poll(() => statSync(file).size, { timeout: 30_000 }).toBe(size);
  expect(await logitsOf(join(folder, "no folder", "golden"))).toEqual(plain);
});

test("a file that is cut while it is mapped gives an error, and no death", async () => {
  const prefix = join(folder, "cut");
  const plain = await logitsOf(prefix);
  const named = () => files().find((name) => /cut-.*\.packed$/.test(name));
  await expect.poll(named, { timeout: 30_000 }).toBeDefined();
  const file = named() as string;
  const model = await native().openModel(await converted("q4_k_m"), { threads: 2, weightsCopy: prefix });
  truncateSync(file, 4096);
  const c = cases[0] as (typeof cases)[0];
  const damage = { code: "unreadable", message: `${file}: was cut short, or could not be read, while it was in use` };
  await expect(encode(model, c)).rejects.toMatchObject(damage);
  const s = session(model);
  await expect(prefill(s, s.create(), { ...c, offsets: [] }, undefined)).rejects.toMatchObject(damage);
  s.dispose();
  model.dispose();
  expect(await logitsOf(prefix)).toEqual(plain);
});
