import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { native } from "../../src/native/native.js";
import { binary, folder, run as runCli } from "../support/cli.js";
import { root } from "../support/files.js";

const owl3 = (args: string[], env: Record<string, string> = {}) =>
  runCli(args, { env: { ...process.env, OWL3_MODEL: "", TMPDIR: folder, ...env } });

test("doctor says what is in use, as lines and as JSON", () => {
  const run = owl3(["doctor"], { OWL3_ISA: "scalar" });
  expect(run.code).toBe(0);
  expect(run.out).toMatch(/^ok {2}instructions +scalar in use of scalar/m);
  const json = JSON.parse(owl3(["doctor", "--json"]).out);
  expect(json.owl3.value).toBe(owl3(["--version"]).out.trim());
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

test("the measurements can be asked for one by one, as tools/bench/compare.py does", () => {
  const args = [join(root, "tools/bench/owl3_peer.mjs"), join(root, "models/owl3-demo.gguf"), "--reps", "1"];
  const out = execFileSync(process.execPath, args, { encoding: "utf8", input: "prefill:8\ndecode\nprefill:8\n" });
  const [about, ...answers] = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(about.version).toMatch(/^owl3 /);
  expect(about.tokenBytes).toBeGreaterThan(0);
  expect(answers.map(({ work }) => work)).toEqual(["prefill:8", "decode", "prefill:8"]);
  expect(answers.map(({ limit }) => limit.of)).toEqual(["int8", "bandwidth", "int8"]);
  for (const { best } of answers) expect(best).toBeGreaterThan(0);
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
