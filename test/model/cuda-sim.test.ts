import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { quantizeFile } from "../../src/convert/quantize.js";
import { greedySampling } from "../../src/decode/sampling.js";
import type { NativeModel } from "../../src/native/model.js";
import { native } from "../../src/native/native.js";
import type { NativeSampler } from "../../src/native/session.js";
import { fixtures, temporaryFolder } from "../support/files.js";
import {
  append,
  type Case,
  converter,
  encode,
  expectAgreement,
  greedy,
  logitError,
  open,
  prefill,
  readCases,
  session,
} from "../support/model.js";

// The CUDA backend over a driver whose kernels run on the CPU (test/native/cuda), as a plugin beside the addon: its host code, its recordings and
// its kernels together. It is some thousand times as slow as a GPU, so it is asked the cases with the fewest crops and rows.
// Whoever has a GPU runs the same on it: OWL3_TEST_DEVICE=cuda (tools/bench/gpu.sh does).
const device = process.env.OWL3_TEST_DEVICE ?? "cuda-sim";
const plugin = fileURLToPath(new URL(`../../build/Release/owl3-${device}.node`, import.meta.url));

test(`the plugin of ${device} is there`, () => {
  expect(existsSync(plugin)).toBe(true);
});

const few = (cases: readonly Case[]): Case[] => {
  const small = [...cases].sort((a, b) => a.offsets.length - b.offsets.length || a.ids.length - b.ids.length);
  return [small[0], small.find((c) => c.offsets.length > 0)].filter((c) => c !== undefined);
};
const timeout = 120_000;

const splits = [{ device }, { device: `${device},cpu`, gpuLayers: 2 }, { device: `cpu,${device}`, gpuLayers: 2 }];
for (const folder of ["golden", "random/late-hyper", "random/gated-head", "random/gated-channel"]) {
  const convertedTo = converter(`${folder}/model`);
  const cases = few(await readCases(join(fixtures, folder)));
  for (const options of splits) {
    describe(`${folder} on ${options.device} against the float32 reference`, async () => {
      const model = await open(await convertedTo("f32"), options);
      for (const c of cases) test(c.name, { timeout }, () => expectAgreement(model, c, { chunk: 40, tokens: 6 }));
    });
  }
}

describe("quantised files and keys on the device", async () => {
  const convertedTo = converter("random/wide-heads/model");
  const folder = temporaryFolder();
  const [text] = few(await readCases(join(fixtures, "random/wide-heads"))) as [Case];
  const logitsOf = async (model: NativeModel, kvType: "f32" | "q8_0" = "f32") => {
    const s = session(model, { kvType });
    const { logits } = await prefill(s, s.create(), text, undefined);
    s.dispose();
    return logits;
  };
  // The bounds of quantised.test.ts: int8 activations err by 0.006, which 4 products a layer add up and this checkpoint amplifies by 6.
  const bound = (model: NativeModel) => 6 * 0.006 * Math.sqrt(4 * model.config.numLayers + 1);
  for (const type of ["q8_0", "q4_k_m", "q5_k_m", "q4_0", "bf16"] as const)
    test(type, { timeout }, async () => {
      const file = await convertedTo(type);
      const unpacked = join(folder, `${type}.gguf`);
      await quantizeFile(file, unpacked, { type: "f32" });
      const want = await logitsOf(await open(unpacked));
      const exact = await logitsOf(await open(file, { device, precision: "exact" }));
      expect(logitError(exact, want).max).toBeLessThan(2e-3);
      const model = await open(file, { device });
      expect(logitError(await logitsOf(model), want).rms).toBeLessThan(bound(model));
      expect(logitError(await logitsOf(model, "q8_0"), want).rms).toBeLessThan(bound(model) + 0.02);
    });
});

describe("a row has the same bits alone and together, in any chunks, from a pass that is replayed", async () => {
  const convertedTo = converter("random/gated-head/model");
  const cases = await readCases(join(fixtures, "random/gated-head"));
  const [text, picture] = few(cases) as [Case, Case];
  for (const type of ["f32", "q8_0"] as const)
    test(type, { timeout }, async () => {
      const model = await open(await convertedTo(type), { device });
      const embeds = await encode(model, picture);
      const alone = async (chunk: number) => {
        const s = session(model, { chunk });
        const q = s.create();
        const result = await greedy(s, q, await prefill(s, q, picture, embeds, chunk), 4);
        s.dispose();
        return result;
      };
      const expected = await alone(512);
      expect(await alone(5)).toEqual(expected);
      const s = session(model);
      const [a, b] = [s.create(), s.create()];
      const [first, other] = [await prefill(s, a, picture, embeds), await prefill(s, b, text, undefined)];
      let [one, two] = [first, other];
      const ids: number[] = [];
      while (ids.length < 4) {
        ids.push(one.id);
        const together = await append(s, [
          { sequence: b, ids: Int32Array.of(two.id) },
          { sequence: a, ids: Int32Array.of(one.id) },
        ]);
        [two, one] = together as [typeof one, typeof one];
      }
      expect({ ids, last: one.logits }).toEqual(expected);
      s.dispose();
      embeds?.dispose();
    });
});

test("greedy answers are the same with steps that the device begins ahead", { timeout }, async () => {
  const model = await open(await converter("golden/model")("q8_0"), { device });
  const [text] = few(await readCases(join(fixtures, "golden"))) as [Case];
  const answer = async (goesOn: boolean) => {
    const s = session(model);
    const [a, b] = [s.create(), s.create()];
    const sampler = [0, 1].map(() => native().createSampler({ ...greedySampling, logprobs: 2 }));
    let [one, two] = [Int32Array.from(text.ids), Int32Array.from(text.ids.slice(0, -1))];
    const drawn = [];
    for (let n = 0; n < 8; n++) {
      const parts = [
        { sequence: a, ids: one, sampler: sampler[0] as NativeSampler, goesOn },
        { sequence: b, ids: two, sampler: sampler[1] as NativeSampler, goesOn },
      ];
      if (n === 4) parts.pop(); // whose row was computed for nothing
      const results = await s.advance(parts);
      drawn.push(...results.flatMap((result) => result.drawn.map(({ begun: _, ...token }) => token)));
      [one, two] = results.map((result) => Int32Array.of(result.drawn[0]?.id as number)).concat(two) as [
        typeof one,
        typeof two,
      ];
    }
    s.dispose();
    return drawn;
  };
  expect(await answer(true)).toEqual(await answer(false));
});

test.each([device, `${device},cpu`])(
  "opening a model on %s tells how far it is, up to its weights",
  { timeout },
  async (where) => {
    const options = where === device ? {} : { gpuLayers: 2 };
    const file = await converter("golden/model")("q8_0");
    let between = 0;
    // Weights are loaded on a thread of the engine, so that this one may ask without a pause; it may still sleep through a whole loading.
    for (let openings = 0; between === 0 && openings < 50; openings++) {
      const loading = native().createLoading();
      expect(loading).toMatchObject({ bytes: 0, total: 0 });
      const shares: number[] = [];
      const opened = native().openModel(file, { device: where, ...options }, loading);
      const deadline = performance.now() + 10_000;
      while (shares.at(-1) !== 1 && performance.now() < deadline) {
        const { bytes, total } = loading;
        if (total > 0 && bytes / total !== shares.at(-1)) shares.push(bytes / total);
      }
      const model = await opened;
      between = shares.filter((share) => share > 0 && share < 1).length;
      expect(shares).toEqual([...shares].sort((a, b) => a - b));
      expect(loading).toMatchObject({ bytes: model.weightBytes, total: model.weightBytes });
      model.dispose();
    }
    expect(between).toBeGreaterThan(0);
  },
);

test("a plan of the device's memory is never below what is used, and at most 5 % above", { timeout }, async () => {
  const free = () =>
    native()
      .systemInfo()
      .devices.find(({ id }) => id === `${device}:0`)?.freeMemory as number;
  const file = await converter("golden/model")("f32");
  const before = free();
  const model = await native().openModel(file, { device });
  const loaded = before - free();
  const recording = 5e6; // bytes of one pass: the last room for recordings may be too small for another
  for (const crops of [0, 1]) {
    const work = { contextLength: 128, crops, sequences: 2, prefillChunk: 64, kvType: "f32" as const };
    const [planned] = model.plan(work).devices;
    expect(planned?.weights).toBeLessThanOrEqual(loaded);
    const s = model.createSession({ contextLength: 128, kvType: "f32", prefillChunk: 64 });
    const side = model.config.cropSize;
    const embeds = await Promise.all(
      Array.from({ length: crops }, () => model.encode(new Uint8Array(3 * side * side), 1)),
    );
    // The most rows first, then so many numbers of rows that recordings fill what is planned for them.
    for (const sequence of [s.create(), s.create()])
      for (const rows of [64, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 9])
        await append(s, [
          {
            sequence,
            ids: new Int32Array(rows).fill(1),
            media: rows === 64 && sequence === 0 ? embeds.map((one) => ({ offset: 1, embeds: one, crop: 0 })) : [],
          },
        ]);
    const used = before - free();
    expect(planned?.total).toBeGreaterThanOrEqual(used);
    expect(planned?.total).toBeLessThanOrEqual(used * 1.05 + recording);
    s.dispose();
    for (const one of embeds) one.dispose();
  }
  model.dispose();
});
