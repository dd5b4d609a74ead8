import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { root } from "../../../support/files.js";

const script = path.join(root, "tools/build/native.mjs");
const folder = mkdtempSync(path.join(tmpdir(), "owl3-install-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function install(tools: string[], file = script) {
  const bin = path.join(folder, tools.join("-") || "none");
  mkdirSync(bin);
  // `true` answers --version, which is all that is asked before the build.
  for (const tool of tools) symlinkSync("/bin/true", path.join(bin, tool));
  const { CXX: _, ...env } = process.env;
  return spawnSync(process.execPath, [file], { encoding: "utf8", env: { ...env, PATH: bin } });
}

test("without CMake one sentence says what to install", () => {
  const run = install([]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^owl3: the native engine needs CMake 3\.19[^\n]+apt install g\+\+ cmake[^\n]*\n$/);
});

test("without a compiler one sentence says what to install", () => {
  const run = install(["cmake"]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/^owl3: the native engine needs a C\+\+20 compiler[^\n]+\n$/);
});

test("without cmake-js one sentence says how to install it", () => {
  const installed = path.join(folder, "node_modules/owl3");
  mkdirSync(path.join(installed, "tools/build"), { recursive: true });
  copyFileSync(path.join(root, "package.json"), path.join(installed, "package.json"));
  copyFileSync(script, path.join(installed, "tools/build/native.mjs"));
  const global = install(["cmake", "c++"], path.join(installed, "tools/build/native.mjs"));
  expect(global.status).toBe(1);
  expect(global.stderr).toMatch(
    /^owl3: compiling the native engine needs two packages that are not installed: npm install --global cmake-js@[\d.]+ node-addon-api@[\d.]+\n$/,
  );
  writeFileSync(path.join(folder, "package.json"), "{}");
  const project = install(["cmake", "c++", "g++"], path.join(installed, "tools/build/native.mjs"));
  expect(project.stderr).toMatch(/npm install --save-dev cmake-js@/);
});

test("the package holds all that it needs to run and to be built, the demo model, and nothing of the tests", () => {
  const run = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" });
  const [{ files, unpackedSize }] = JSON.parse(run.stdout) as [{ files: { path: string }[]; unpackedSize: number }];
  const paths = files.map((file) => file.path);
  const tracked = spawnSync("git", ["ls-files", "native", "examples", "*.md", ":!:*/*.md"], {
    cwd: root,
    encoding: "utf8",
  });
  for (const wanted of [
    "bin/owl3.js",
    "dist/cli/main.js",
    "dist/index.d.ts",
    "models/owl3-demo.gguf",
    "models/README.md",
    "tools/build/native.mjs",
    "CMakeLists.txt",
    "LICENSE",
    ...tracked.stdout.split("\n").filter(Boolean),
  ])
    expect(paths).toContain(wanted);
  expect(paths.filter((one) => /^(test|tools\/(?!build\/)|build|prebuilds|\.)/.test(one))).toEqual([]);
  expect(paths.filter((one) => one.endsWith(".node"))).toEqual([]);
  expect(unpackedSize).toBeLessThan(17e6);
});

test("the engine configures from what the package holds", () => {
  const run = spawnSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(run.stdout) as [{ filename: string }];
  spawnSync("tar", ["-xzf", path.join(folder, filename), "-C", folder]);
  const include = path.join(root, "node_modules/node-api-headers/include");
  const configured = spawnSync("cmake", ["-S", "package", "-B", "configured", `-DCMAKE_JS_INC=${include}`], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(configured.stderr).not.toContain("Error");
  expect(configured.status).toBe(0);
});
