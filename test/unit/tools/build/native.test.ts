import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { root } from "../../../support/files.js";

const script = path.join(root, "tools/build/native.mjs");
const folder = mkdtempSync(path.join(tmpdir(), "owl3-install-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function install(tools: string[]) {
  const bin = path.join(folder, tools.join("-") || "none");
  mkdirSync(bin);
  // `true` answers --version, which is all that is asked before the build.
  for (const tool of tools) symlinkSync("/bin/true", path.join(bin, tool));
  const { CXX: _, ...env } = process.env;
  return spawnSync(process.execPath, [script], { encoding: "utf8", env: { ...env, PATH: bin } });
}

test("install: without CMake one sentence says what to install", () => {
  const run = install([]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^owl3: the native engine needs CMake 3\.19[^\n]+apt install g\+\+ cmake[^\n]*\n$/);
});

test("install: without a compiler one sentence says what to install", () => {
  const run = install(["cmake"]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^owl3: the native engine needs a C\+\+20 compiler[^\n]+\n$/);
});

test("the package holds the demo model and its card, and nothing of the tests", () => {
  const run = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" });
  const [{ files, unpackedSize }] = JSON.parse(run.stdout) as [{ files: { path: string }[]; unpackedSize: number }];
  const paths = files.map((file) => file.path);
  for (const wanted of [
    "models/owl3-demo.gguf",
    "models/README.md",
    "bin/owl3.js",
    "native/addon/session.cpp",
    "LICENSE",
  ])
    expect(paths).toContain(wanted);
  expect(paths.filter((one) => /^(test|examples|tools\/(?!build\/)|build|\.)/.test(one))).toEqual([]);
  expect(unpackedSize).toBeLessThan(16e6);
});
