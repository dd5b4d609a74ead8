import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  converter,
  encode,
  fixtures,
  greedy,
  logitError,
  open,
  prefill,
  readCases,
  relativeError,
  session,
} from "./helpers.js";

const convertedTo = converter("golden/model");
const cases = await readCases(join(fixtures, "golden"));

// The checkpoint is bfloat16, so a bf16 and an f32 file hold the same values, and so does an f16 one but for values below 6e-8.
for (const type of ["f32", "bf16"] as const) {
  describe(`the golden checkpoint as ${type}, against the float32 reference`, async () => {
    const model = await open(await convertedTo(type));
    for (const c of cases) {
      test(c.name, async () => {
        const embeds = await encode(model, c);
        if (embeds && c.embeds) {
          const all = embeds.toFloat32();
          const size = all.length / c.offsets.length;
          const ends = new Float32Array(c.embeds.length);
          ends.set(all.subarray(0, size));
          ends.set(all.subarray(-size), ends.length - size);
          expect(relativeError(ends, c.embeds)).toBeLessThan(1e-3);
        }
        const s = session(model);
        const sequence = s.create();
        await prefill(s, sequence, c, embeds);
        const { max } = logitError(s.logits(sequence), c.logits);
        expect(max).toBeLessThan(2e-3);

        const ids = await greedy(s, sequence, c.greedy.length);
        // Two logits closer than twice the error allowed may change places; text before that must be equal.
        const mean = c.logits.reduce((sum, x) => sum + x, 0) / c.logits.length;
        const deviation = Math.sqrt(c.logits.reduce((sum, x) => sum + (x - mean) ** 2, 0) / c.logits.length);
        const tie = c.gaps.findIndex((gap) => gap < 2 * 2e-3 * deviation);
        const length = tie < 0 ? c.greedy.length : tie;
        expect(length).toBeGreaterThan(0);
        expect(ids.slice(0, length)).toEqual(c.greedy.slice(0, length));
        s.dispose();
        embeds?.dispose();
      });
    }
  });
}
