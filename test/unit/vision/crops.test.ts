import { expect, test } from "vitest";
import { Turns } from "../../../src/native/turns.js";
import { Crops, type EncodedCrop } from "../../../src/vision/crops.js";
import { encodeCrops } from "../../../src/vision/encode-crops.js";
import { fakeEngine, fakeScheduler } from "../../support/fake.js";

const pixels = (value: number): Uint8Array => new Uint8Array(12).fill(value);
async function* clip(from: number, n: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < n; i++) yield pixels(from + i);
}
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const encodes = (fake: { calls: string[] }): string[] => fake.calls.filter((call) => call.startsWith("encode"));

async function crops(unusedBytes = 0, turns = new Turns()) {
  const fake = fakeEngine();
  const model = await fake.binding.openModel("", {});
  return { fake, crops: new Crops({ model, turns, unusedBytes }), model };
}

test("crops: the same pixels are encoded once and are the same object, also while they are being encoded", async () => {
  const { fake, crops: all } = await crops();
  const [a, b, other] = await Promise.all([all.hold(pixels(1)), all.hold(pixels(1)), all.hold(pixels(2))]);
  const later = await all.hold(pixels(1));
  expect([b, later].map(({ crop }) => [crop.key, crop.embeds, crop.crop])).toEqual(
    Array(2).fill([a.crop.key, a.crop.embeds, a.crop.crop]),
  );
  expect(b.crop.embeds).toBe(a.crop.embeds);
  expect(other.crop.key).not.toBe(a.crop.key);
  expect(encodes(fake)).toEqual(["encode 1", "encode 1"]);
  expect(later.ms).toBe(0);
  expect(a.ms).toBeGreaterThan(0);
});

test("crops: embeddings go when the last holder lets them go, and a release counts once", async () => {
  const { fake, crops: all } = await crops();
  const held: EncodedCrop[] = [];
  for (let i = 0; i < 3; i++) held.push((await all.hold(pixels(1))).crop);
  held[0]?.release();
  held[0]?.release();
  held[1]?.release();
  expect(fake.embeds.size).toBe(1);
  held[2]?.release();
  expect(fake.embeds.size).toBe(0);
  await all.hold(pixels(1));
  expect(encodes(fake)).toHaveLength(2);
});

test("crops: some that nobody holds are kept for the next, the latest used", async () => {
  const { fake, crops: all } = await crops(3 * 4); // three crops of one float each
  const look = async (value: number) => (await all.hold(pixels(value))).crop.release();
  for (const value of [1, 2, 3, 1, 4]) await look(value);
  expect(fake.embeds.size).toBe(3);
  fake.calls.length = 0;
  for (const value of [4, 1, 3]) await look(value);
  expect(encodes(fake)).toEqual([]);
  await look(2);
  expect(encodes(fake)).toEqual(["encode 1"]);
  all.dispose();
  expect(fake.embeds.size).toBe(0);
});

test("crops: what is kept is bounded by the memory of whole calls, though one crop of each is used again and again", async () => {
  const limit = 40 * 4;
  const { fake, crops: all } = await crops(limit);
  const known = () => [...fake.embeds].reduce<number>((sum, embeds) => sum + (embeds as { bytes: number }).bytes, 0);
  for (const crop of await encodeCrops(all, clip(0, 20), 20)) crop.release();
  expect(Math.max(...encodes(fake).map((call) => Number(call.split(" ")[1])))).toBeGreaterThan(8);
  for (let k = 1; k < 10; k++) {
    for (const crop of await encodeCrops(all, clip(20 * k, 20), 20)) crop.release();
    for (let earlier = 0; earlier <= k; earlier++) (await all.hold(pixels(20 * earlier + 19))).crop.release();
    expect(known()).toBeLessThanOrEqual(limit);
    expect(all.use).toEqual({ bytes: known(), unused: { bytes: known(), limit } });
  }
  const { crop } = await all.hold(pixels(1));
  expect(all.use.bytes - all.use.unused.bytes).toBe(crop.embeds.bytes);
  crop.release();
});

test("crops: who stops waits no longer; what only he wanted is not run, what others want is", async () => {
  const { fake, crops: all } = await crops();
  let end: () => void = () => {};
  fake.onEncode = () =>
    new Promise((resolve) => {
      end = resolve;
    });
  const stop = new AbortController();
  const first = all.hold(pixels(1));
  const mine = [2, 3].map((value) => all.hold(pixels(value), { signal: stop.signal }));
  const other = all.hold(pixels(3));
  while (encodes(fake).length === 0) await tick();
  stop.abort();
  for (const one of mine) await expect(one).rejects.toMatchObject({ name: "AbortError" });
  fake.onEncode = undefined;
  end();
  await Promise.all([first, other]);
  expect(encodes(fake)).toHaveLength(2);
  expect(fake.embeds.size).toBe(2);
});

test("crops: an error is told to those whose crops were in the call, and a crop may be tried again", async () => {
  const { fake, crops: all } = await crops();
  fake.onEncode = () => {
    if (encodes(fake).length === 1) throw new Error("out of luck");
  };
  const [failed, other] = await Promise.allSettled([all.hold(pixels(1)), all.hold(pixels(2))]);
  expect(failed).toMatchObject({ status: "rejected", reason: { message: "out of luck" } });
  expect(other.status).toBe("fulfilled");
  expect((await all.hold(pixels(1))).crop.embeds.toFloat32()).toEqual(Float32Array.of(12));
});

test("crops: dispose in the middle of a call frees all and ends who waits", async () => {
  const { fake, crops: all } = await crops(1000);
  await all.hold(pixels(9));
  fake.onEncode = () => all.dispose();
  const waiting = await Promise.allSettled([all.hold(pixels(1)), all.hold(pixels(2))]);
  expect(waiting.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await tick();
  expect(fake.embeds.size).toBe(0);
});

test("crops: alone several crops are a call; beside others one, and a clip of 128 frames leaves an answer half of the time", async () => {
  const fake = fakeEngine();
  let now = 0;
  const turns = new Turns(() => now);
  const { model, scheduler } = await fakeScheduler(fake, { turns });
  const all = new Crops({ model, turns });
  await encodeCrops(all, clip(0, 40), 40);
  expect(Math.max(...encodes(fake).map((call) => Number(call.split(" ")[1])))).toBeGreaterThan(1);
  fake.calls.length = 0;

  const log: string[] = [];
  fake.onEncode = () => {
    log.push("crop");
    now += 100;
  };
  fake.onPass = () => {
    log.push("token");
    now += 10;
  };
  const clipDone = encodeCrops(all, clip(100, 128), 128);
  const sequence = await scheduler.open({ ids: [1, 2, 3], crops: [] }, 0);
  const sampler = fake.binding.createSampler({ logprobs: 0 } as never);
  for (let i = 0; i < 200; i++) await sequence.next({ sampler });
  const during = log.slice(0, log.lastIndexOf("token"));
  expect(encodes(fake).slice(0, during.filter((what) => what === "crop").length)).toEqual(
    during.filter((what) => what === "crop").map(() => "encode 1"),
  );
  expect(during.join(" ")).not.toContain("crop crop");
  const cropMs = 100 * during.filter((what) => what === "crop").length;
  const tokenMs = 10 * during.filter((what) => what === "token").length;
  expect(Math.abs(cropMs - tokenMs)).toBeLessThanOrEqual(100 + 10);
  const stored = await clipDone;
  expect(stored.map(({ embeds, crop }) => embeds.toFloat32()[crop])).toEqual(
    Array.from({ length: 128 }, (_, i) => 12 * (100 + i)),
  );
});

test("crops: an answer that comes while a clip has the engine for itself waits for the call under way, then for one crop at a time", async () => {
  const fake = fakeEngine();
  let now = 0;
  const turns = new Turns(() => now);
  const { model, scheduler } = await fakeScheduler(fake, { turns });
  const all = new Crops({ model, turns });
  const log: string[] = [];
  let calls = 0;
  let came: () => void = () => {};
  const middle = new Promise<void>((resolve) => {
    came = resolve;
  });
  fake.onEncode = async (n) => {
    log.push(`crops ${n}`);
    if (++calls === 6) came();
    await tick();
    now += 100 * n;
  };
  fake.onPass = () => {
    log.push("token");
    now += 10;
  };
  const clipDone = encodeCrops(all, clip(0, 200), 200);
  await middle;
  const before = log.length;
  const sequence = await scheduler.open({ ids: [1, 2, 3], crops: [] }, 0);
  const sampler = fake.binding.createSampler({ logprobs: 0 } as never);
  for (let i = 0; i < 10; i++) await sequence.next({ sampler });
  const during = log.slice(before, log.lastIndexOf("token"));
  expect(log.slice(0, before).some((call) => call !== "crops 1")).toBe(true);
  // At most one call between two tokens, and after the first token none of more than one crop.
  expect(during.join(" ")).not.toMatch(/crops \d+ crops/);
  expect(during.slice(during.indexOf("token")).filter((call) => call !== "token" && call !== "crops 1")).toEqual([]);
  await clipDone;
});

test("crops: tenants do not find each other's crops, and each finds its own", async () => {
  const { fake, crops: all } = await crops();
  const hold = (tenant?: string) => all.hold(pixels(1), { tenant });
  const held = [await hold(), await hold("a"), await hold("b"), await hold("a"), await hold()];
  expect(held.map(({ ms }) => ms > 0)).toEqual([true, true, true, false, false]);
  expect(encodes(fake)).toHaveLength(3);
});
