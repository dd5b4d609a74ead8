import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test, vi } from "vitest";
import { native } from "../../src/native/native.js";

interface Measured {
  answers: { id: string; text: string; tokens: unknown[] }[];
  passes: number;
}

// Scalar kernels on a busy machine take their time.
vi.setConfig({ testTimeout: 300_000 });

for (const isa of native().systemInfo().available)
  test(`${isa}: answers that share passes are those that each chat alone gets, to the bit`, async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [path.join(import.meta.dirname, "../support/sharing.mjs")],
      { env: { ...process.env, OWL3_ISA: isa }, maxBuffer: 1 << 24 },
    );
    const { alone, together, staggered } = JSON.parse(stdout) as Record<string, Measured>;
    expect(alone?.answers.map(({ tokens }) => tokens.length > 0)).not.toContain(false);
    expect(together?.answers).toEqual(alone?.answers);
    expect(staggered?.answers).toEqual(alone?.answers);
    // Three of them are about the same picture, so that they decode at the same time however long the others take to begin.
    expect(together?.passes).toBeLessThan(0.75 * (alone?.passes as number));
    expect(staggered?.passes).toBeLessThan(alone?.passes as number);
  });
