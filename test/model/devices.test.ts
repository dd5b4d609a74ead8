import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fixtures } from "../support/files.js";
import { converter, expectAgreement, open, readCases } from "../support/model.js";

// The slow device (test/native/support/slow_backend.h) is built with the native tests, as a plugin beside the addon: it computes on a thread of
// its own, refuses the host's memory and replays recorded passes. Golden checkpoints pass on it, alone and sharing the layers with the CPU.
const plugin = fileURLToPath(new URL("../../build/Release/owl3-slow.node", import.meta.url));

test("the slow device is there", () => {
  expect(existsSync(plugin)).toBe(true);
});

for (const folder of ["golden", "random/late-hyper", "random/gated-head", "random/gated-channel"]) {
  const convertedTo = converter(`${folder}/model`);
  const cases = await readCases(join(fixtures, folder));
  for (const device of ["slow", "slow,cpu", "cpu,slow", "cpu,cpu"]) {
    describe(`${folder} on ${device} against the float32 reference`, async () => {
      const model = await open(await convertedTo("f32"), { device });
      // The device is as slow as it is called, so it is asked the cases with the fewest crops.
      const few = [...cases].sort((a, b) => a.offsets.length - b.offsets.length).slice(0, 4);
      for (const c of few)
        test(c.name, { timeout: 120_000 }, () => expectAgreement(model, c, { chunk: 40, tokens: 12 }));
    });
  }
}
