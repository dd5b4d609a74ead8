import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixtures } from "../support/files.js";
import {
  converter,
  deviation,
  encode,
  endCrops,
  greedy,
  logitError,
  open,
  prefill,
  readCases,
  relativeError,
  session,
} from "../support/model.js";

// Checkpoints are bfloat16, so bf16 and f32 files hold the same values: they differ in kernels alone.
const folders = ["golden", "random/few-kv-heads", "random/wide-heads", "random/late-hyper"];
for (const folder of folders) {
  const convertedTo = converter(`${folder}/model`);
  const cases = await readCases(join(fixtures, folder));
  for (const type of ["f32", "bf16"] as const) {
    describe(`${folder} as ${type} against the float32 reference`, async () => {
      const model = await open(await convertedTo(type));
      for (const c of cases) {
        test(c.name, async () => {
          const embeds = await encode(model, c);
          if (embeds && c.embeds) expect(relativeError(endCrops(embeds, c), c.embeds)).toBeLessThan(1e-3);
          const s = session(model);
          const sequence = s.create();
          const first = await prefill(s, sequence, c, embeds);
          expect(logitError(first.logits, c.logits).max).toBeLessThan(2e-3);

          // Two logits closer than twice the error allowed may change places; the text before that must be equal.
          const tie = c.gaps.findIndex((gap) => gap < 2 * 2e-3 * deviation(c.logits));
          const length = tie < 0 ? c.greedy.length : tie;
          expect(length).toBeGreaterThan(0);
          const { ids } = await greedy(s, sequence, first, length);
          expect(ids).toEqual(c.greedy.slice(0, length));
          s.dispose();
          embeds?.dispose();
        });
      }
    });
  }
}
