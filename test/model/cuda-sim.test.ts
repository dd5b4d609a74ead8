import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fixtures } from "../support/files.js";
import { append, converter, encode, expectAgreement, greedy, open, prefill, readCases, session } from "../support/model.js";

// The CUDA backend over a driver whose kernels run on the CPU (test/native/cuda), as a plugin beside the addon: its host code, its recordings and
// its kernels together. It is some thousand times as slow as a GPU, so it is asked the cases with the fewest rows.
const plugin = fileURLToPath(new URL("../../build/Release/owl3-cuda-sim.node", import.meta.url));

test("the simulation of CUDA is there", () => {
  expect(existsSync(plugin)).toBe(true);
});

const splits = [
  { device: "cuda-sim" },
  { device: "cuda-sim,cpu", gpuLayers: 2 },
  { device: "cpu,cuda-sim", gpuLayers: 2 },
];
for (const folder of ["golden", "random/late-hyper", "random/gated-head", "random/gated-channel"]) {
  const convertedTo = converter(`${folder}/model`);
  const cases = await readCases(join(fixtures, folder));
  const small = [...cases].sort((a, b) => a.offsets.length - b.offsets.length || a.ids.length - b.ids.length);
  const pictures = small.filter((c) => c.offsets.length > 0);
  for (const options of splits) {
    describe(`${folder} on ${options.device} against the float32 reference`, async () => {
      const model = await open(await convertedTo("f32"), options);
      test.each([small[0], pictures[0]].filter((c) => c !== undefined))("$name", { timeout: 120_000 }, async (c) => {
        const started = performance.now();
        await expectAgreement(model, c, { chunk: 40, tokens: 6 });
        console.error(folder, options.device, c.name, c.ids.length, c.offsets.length, performance.now() - started);
      });
    });
  }
}
