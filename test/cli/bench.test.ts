import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { native } from "../../src/native/native.js";
import { binary, folder, run as runCli } from "../support/cli.js";

const owl3 = (args: string[], env: Record<string, string> = {}) =>
  runCli(args, { env: { ...process.env, OWL3_MODEL: "", TMPDIR: folder, ...env } });

test("doctor says what is in use, as lines and as JSON", () => {
  const run = owl3(["doctor"], { OWL3_ISA: "scalar" });
  expect(run.code).toBe(0);
  expect(run.out).toMatch(/^ok {2}instructions +scalar in use of scalar/m);
  const json = JSON.parse(owl3(["doctor", "--json"]).out);
  expect(json.engine.ok).toBe(true);
  expect(json.cores.value).toMatch(/^\d+ physical$/);
});

test("doctor tells of an instruction set that does not exist", () => {
  const run = owl3(["doctor"], { OWL3_ISA: "sse9" });
  expect(run.out).toMatch(/^-- {2}engine .*sse9/m);
});

test("bench refuses what is no model, and parts that do not exist", () => {
  expect(owl3(["bench", "-m", binary])).toMatchObject({ code: 4, out: "" });
  expect(owl3(["bench", "-m", "no-such-file.gguf"])).toMatchObject({ code: 3, out: "" });
  expect(owl3(["bench", "--only", "vision,sound"])).toMatchObject({ code: 2, out: "" });
  expect(readdirSync(folder)).toEqual([]);
});

test("a tensor without a source is filled with random values of its format", async () => {
  const path = join(folder, "random.gguf");
  const writer = await native().createWriter(
    path,
    [{ key: "general.architecture", type: "string", value: "test" }],
    [
      { name: "a.weight", type: "Q4_K", shape: [512, 700] }, // more than the values that are made once
      { name: "norm.weight", type: "F32", shape: [64] },
    ],
    1,
  );
  await writer.writeNext();
  await writer.writeNext();
  await writer.finish();
  const file = await native().readGguf(path);
  expect(file.tensors.map(({ name, bytes }) => [name, bytes])).toEqual([
    ["a.weight", (512 * 700 * 144) / 256],
    ["norm.weight", 256],
  ]);
  rmSync(path);
});
