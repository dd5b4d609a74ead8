import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../../../src/errors.js";
import { addonFiles, addonPackages } from "../../../src/native/addon-file.js";
import { load } from "../../../src/native/native.js";
import { root } from "../../support/files.js";

const folder = mkdtempSync(join(tmpdir(), "owl3-native-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A package root with these files in it. */
function packageRoot(name: string, files: string[]): URL {
  for (const file of files) {
    mkdirSync(join(folder, name, file, ".."), { recursive: true });
    writeFileSync(join(folder, name, file), "not for this machine");
  }
  return pathToFileURL(`${join(folder, name)}/`);
}

test("each machine has its packages; on Linux that for glibc comes before that for musl", () => {
  expect(addonPackages("linux", "x64")).toEqual(["@owl3/linux-x64", "@owl3/linuxmusl-x64"]);
  expect(addonPackages("linux", "arm64")).toEqual(["@owl3/linux-arm64", "@owl3/linuxmusl-arm64"]);
  expect(addonPackages("darwin", "arm64")).toEqual(["@owl3/darwin-arm64"]);
  expect(addonPackages("win32", "x64")).toEqual(["@owl3/win32-x64"]);
});

test("an engine built here comes before a package's, Release before Debug", () => {
  const installed = (specifier: string) => join("/packages", specifier);
  const both = packageRoot("both", ["build/Release/owl3.node", "build/Debug/owl3.node"]);
  expect(addonFiles(both, installed)).toEqual([{ path: join(folder, "both/build/Release/owl3.node") }]);
  const debug = packageRoot("debug", ["build/Debug/owl3.node"]);
  expect(addonFiles(debug, installed)).toEqual([{ path: join(folder, "debug/build/Debug/owl3.node") }]);
});

test("without one built here the packages of this machine are taken, if they are installed", () => {
  const none = packageRoot("none", ["package.json"]);
  const names = addonPackages();
  const last = names.at(-1) as string;
  expect(addonFiles(none, (specifier) => (specifier.startsWith(`${last}/`) ? "/there" : undefined))).toEqual([
    { path: "/there", package: last },
  ]);
  expect(addonFiles(none, () => undefined)).toEqual([]);
});

test("the first engine that loads is used", () => {
  const foreign = join(folder, "foreign.node");
  const own = join(folder, "own.node");
  writeFileSync(foreign, "MZ not for this machine");
  copyFileSync(join(root, "build/Release/owl3.node"), own);
  const { binding, file } = load([
    { path: foreign, package: "@owl3/linux-x64" },
    { path: own, package: "@owl3/linuxmusl-x64" },
  ]);
  expect(file.package).toBe("@owl3/linuxmusl-x64");
  expect(binding.systemInfo().available).toContain("scalar");
});

test("a missing engine is one sentence, which says how to compile it", () => {
  expect(() => load([])).toThrow(UserError);
  expect(() => load([])).toThrow(
    new RegExp(
      `^the native engine is missing: no package ${addonPackages()[0]} is installed; "owl3 build" compiles it here \\(it needs CMake and a C\\+\\+ compiler\\)\\.$`,
    ),
  );
});

test("an engine of another machine says so in one line", () => {
  const path = join(folder, "other.node");
  writeFileSync(path, "MZ not for this machine");
  expect(() => load([{ path }])).toThrow(UserError);
  expect(() => load([{ path }])).toThrow(
    /^the native engine does not load on this machine \(.*\): "owl3 build" compiles it here \(it needs CMake and a C\+\+ compiler\)\.$/,
  );
});
