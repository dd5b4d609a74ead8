import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { quantizeFile } from "../../src/convert/quantize.js";
import type { NativeConfig } from "../../src/native/model.js";
import { fixtures, temporaryFolder } from "../support/files.js";
import {
  converter,
  encode,
  greedy,
  logitError,
  open,
  prefill,
  readCases,
  relativeError,
  session,
} from "../support/model.js";

// The yardstick of a quantised file is the same file with its values unpacked to F32 (bit for bit what other tools unpack, see
// test/native/gguf/quant.test.cpp), run by the float path that fidelity.test.ts holds to the reference.
const folder = temporaryFolder();

// Where activations are rounded to int8 with a scale per 32, the largest of 32 values of a normal distribution is about 2.4 deviations, the
// step 2.4/127 of one, made larger to the next of a grid of 2^(1/4) (by 1.09, as a mean square), and the rounding error step/sqrt(12):
// r = 0.006 of the activations' size. Errors of different products are independent,
// so after P products on the way they grow to r * sqrt(P) of the result where a model neither damps nor amplifies. Sharp softmaxes and SwiGLU
// amplify: emulating the rounding in tools/reference gave at most 1.0 r sqrt(P) on image_embeds, and on the logits 2 r sqrt(P) for the checkpoints
// of test/fixtures/random, 8 for the golden one, whose queries and keys are 2.5 times as large as a layer that keeps sizes has them, so
// that a softmax is nearly a maximum. The bounds are twice to three times that.
const r = 0.006;
const embedsBound = (c: NativeConfig) => 2 * r * Math.sqrt(4 * c.vision.numLayers + 2);
const logitsBound = (c: NativeConfig, amplified: number) => amplified * r * Math.sqrt(4 * c.numLayers + 1);

const checkpoints = {
  golden: 16,
  "random/few-kv-heads": 6,
  "random/wide-heads": 6,
  "random/gated-head": 6,
  "random/gated-channel": 6,
};

for (const [checkpoint, amplified] of Object.entries(checkpoints)) {
  const convertedTo = converter(`${checkpoint}/model`);
  const cases = (await readCases(join(fixtures, checkpoint))).slice(0, 3);
  for (const type of ["q8_0", "q4_k_m", "q5_k_m", "q4_0"] as const) {
    describe(`${checkpoint} as ${type}`, async () => {
      const file = await convertedTo(type);
      const unpacked = join(folder, `${checkpoint.replace("/", "-")}-${type}.gguf`);
      await quantizeFile(file, unpacked, { type: "f32" });
      const expected = await open(unpacked);
      const exact = await open(file, { precision: "exact" });
      const fast = await open(file);

      for (const c of cases)
        test(c.name, async () => {
          const run = async (model: typeof exact) => {
            const embeds = await encode(model, c);
            const s = session(model, { kvType: "f32" });
            const sequence = s.create();
            const first = await prefill(s, sequence, c, embeds);
            const { ids } = await greedy(s, sequence, first, 4);
            s.dispose();
            return { embeds: embeds?.toFloat32(), logits: first.logits, ids };
          };
          const want = await run(expected);
          const tight = await run(exact);
          expect(logitError(tight.logits, want.logits).max).toBeLessThan(2e-3);
          if (tight.embeds && want.embeds) expect(relativeError(tight.embeds, want.embeds)).toBeLessThan(1e-3);
          expect(tight.ids).toEqual(want.ids);
          const loose = await run(fast);
          if (loose.embeds && want.embeds)
            expect(relativeError(loose.embeds, want.embeds)).toBeLessThan(embedsBound(fast.config));
          expect(logitError(loose.logits, want.logits).rms).toBeLessThan(logitsBound(fast.config, amplified));
        });
    });
  }
}
