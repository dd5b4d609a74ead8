import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { root, temporaryFolder } from "../../support/files.js";

const script = path.join(root, "tools/docs/speed.mjs");
const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
const folder = temporaryFolder();
mkdirSync(path.join(folder, "docs/speed"), { recursive: true });
const file = path.join(folder, "docs/speed/2020-02-02-box.json");

function figure(work: string, who: string, type: string, rounds: number[], more = {}) {
  return { work, who, type, unit: work === "vision" ? "s" : "tok/s", rounds, ...more };
}

function write(date: string, ...runs: object[][]): void {
  const about = {
    command: "compare",
    size: "2b",
    threads: 2,
    versions: { owl3: "owl3 box" },
    at: "12:00",
    commit: "abc",
  };
  const day = {
    date,
    machine: "box",
    processor: "Box",
    cores: 2,
    runs: runs.map((figures) => ({ ...about, figures })),
  };
  writeFileSync(file, JSON.stringify(day));
}

test("SPEED.md, its plot and the pages of measurements are those that the JSON files make", () => {
  const { stderr, status } = run("--check");
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

test("SPEED.md is one screen", () => {
  expect(readFileSync(path.join(root, "SPEED.md"), "utf8").split("\n").length).toBeLessThan(60);
});

describe("the table of a file", () => {
  test("compares the medians of the rounds, seconds and rates each their way, and our format with its own and with libraries'", () => {
    write("2020-02-02", [
      figure("vision", "owl3", "q8_0", [2, 1.1, 1]),
      figure("vision", "ONNX Runtime", "int8", [1, 2.2]),
      figure("prefill:74", "owl3", "q4_k_m", [40, 60, 90]),
      figure("prefill:74", "llama.cpp", "q4_k_m", [30, 20]),
      figure("prefill:74", "llama.cpp", "q8_0", [100]),
      figure("prefill:74", "PyTorch", "int8", [48]),
      figure("decode", "owl3", "q8_0", [8, 12], {
        limits: [
          { of: "bandwidth", limit: 20, share: 0.8 },
          { of: "bandwidth", limit: 24, share: 1 },
        ],
      }),
      figure("decode", "llama.cpp", "q4_k_m", [20]),
    ]);
    expect(run("--print", file).stdout.split("\n").slice(2)).toEqual([
      "| vision, one crop, q8_0 | 1.10 s |  | ONNX Runtime int8 1.60 | 1.45 x |",
      "| prefill 74, q4_k_m | 60.0 tok/s |  | PyTorch int8 48.0 | 1.25 x |",
      "| decode, q8_0 | 10.0 tok/s | 90 % of the bandwidth | not run |  |",
      "",
    ]);
  });

  test("allows for bytes that differ", () => {
    write("2020-02-02", [
      figure("decode", "owl3", "q8_0", [10], { bytes: 1500 }),
      figure("decode", "llama.cpp", "q8_0", [10], { bytes: 2000 }),
    ]);
    expect(run("--print", file).stdout).toContain("| llama.cpp q8_0 10.0 | 0.75 x |");
  });

  test("takes a figure and its rivals from the last run that has it", () => {
    write(
      "2020-02-02",
      [figure("decode", "owl3", "q8_0", [10]), figure("decode", "llama.cpp", "q8_0", [40])],
      [figure("decode", "owl3", "q8_0", [12]), figure("decode", "ik_llama.cpp", "q8_0", [6])],
      [figure("vision", "owl3", "q8_0", [1])],
    );
    const { stdout } = run("--print", file);
    expect(stdout).toContain("| decode, q8_0 | 12.0 tok/s |  | ik_llama.cpp q8_0 6.00 | 2.00 x |");
    expect(stdout).toContain("| vision, one crop, q8_0 | 1.00 s |  | not run |  |");
  });
});

test("a page is made beside a new file, what is written around its figures stays, and changed figures are noticed", () => {
  write("2020-02-02", [figure("decode", "owl3", "q8_0", [10, 11])]);
  expect(run(folder).status).toBe(0);
  const page = file.replace(".json", ".md");
  writeFileSync(page, `${readFileSync(page, "utf8")}\nA remark.\n`);
  expect(run("--check", folder)).toMatchObject({ status: 0, stderr: "" });

  write("2020-02-02", [figure("decode", "owl3", "q8_0", [10, 13])]);
  const stale = run("--check", folder);
  expect(stale.status).toBe(1);
  expect(stale.stderr).toContain("SPEED.md is out of date");
  expect(stale.stderr).toContain("docs/speed/2020-02-02-box.md is out of date");
  expect(run(folder).status).toBe(0);
  expect(readFileSync(page, "utf8")).toMatch(/10\.0, 13\.0[\s\S]*A remark\./);
});
