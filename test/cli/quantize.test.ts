import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { goldenCheckpoint } from "../support/checkpoint.js";
import { binary, folder, foreign, owl3, place } from "../support/cli.js";

describe("owl3 quantize", () => {
  const golden = join(folder, "golden-f32.gguf");
  beforeAll(() => {
    expect(owl3("convert", goldenCheckpoint, "-o", golden, "-t", "f32").code).toBe(0);
  });

  test("writes the new type; a second time it says that something is lost", () => {
    const to = place();
    const q8 = join(to, "q8.gguf");
    const first = owl3("quantize", golden, q8, "--type", "q8_0");
    expect(first).toMatchObject({ code: 0, out: "" });
    expect(first.err).not.toContain("warning");
    expect(JSON.parse(owl3("info", q8, "--json").out).file_type).toBe("q8_0");
    const again = owl3("quantize", q8, join(to, "q4.gguf"), "--type", "q4_k_m");
    expect(again.code).toBe(0);
    expect(again.err).toMatch(/warning: \d+ tensors of .* are quantised already/);
    expect(owl3("quantize", q8, join(to, "q4.gguf"), "--type", "q4_k_m", "-q")).toEqual({ code: 0, out: "", err: "" });
  });

  test("never onto its input, whatever its name", () => {
    const to = place();
    const a = join(to, "a.gguf");
    cpSync(golden, a);
    symlinkSync("a.gguf", join(to, "b.gguf"));
    for (const out of [a, join(to, "b.gguf")]) {
      const run = owl3("quantize", a, out, "--type", "q8_0");
      expect(run.err).toContain("is the input itself");
      expect(run.code).toBe(3);
    }
    expect(readFileSync(a).equals(readFileSync(golden))).toBe(true);
  });

  test("refuses what is no model of ours", () => {
    const out = join(place(), "a.gguf");
    expect(owl3("quantize", foreign, out, "-t", "q8_0").err).toContain("another architecture");
    expect(owl3("quantize", foreign, out, "-t", "q8_0").code).toBe(4);
    expect(owl3("quantize", binary, out, "-t", "q8_0").code).toBe(4);
    expect(owl3("quantize", join(folder, "none.gguf"), out, "-t", "q8_0").code).toBe(3);
  });
});
