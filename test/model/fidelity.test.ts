import { join } from "node:path";
import { describe, test } from "vitest";
import { fixtures } from "../support/files.js";
import { converter, expectAgreement, open, readCases } from "../support/model.js";

// Checkpoints are bfloat16, so bf16 and f32 files hold the same values: they differ in kernels alone.
const folders = [
  "golden",
  ...["few-kv-heads", "wide-heads", "late-hyper", "gated-head", "gated-channel"].map((name) => `random/${name}`),
];
for (const folder of folders) {
  const convertedTo = converter(`${folder}/model`);
  const cases = await readCases(join(fixtures, folder));
  for (const type of ["f32", "bf16"] as const) {
    describe(`${folder} as ${type} against the float32 reference`, async () => {
      const model = await open(await convertedTo(type));
      for (const c of cases) test(c.name, () => expectAgreement(model, c));
    });
  }
}
