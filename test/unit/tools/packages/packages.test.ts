import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { addonPackages } from "../../../../src/native/addon-file.js";
import { root } from "../../../support/files.js";

interface Target {
  name: string;
  system: string;
  libc?: string;
}
interface Manifest {
  name: string;
  version: string;
  os: string[];
  cpu: string[];
  libc?: string[];
  files: string[];
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  optionalDependencies: Record<string, string>;
  owl3: { sources: string };
}
const load = (file: string) => import(pathToFileURL(path.join(root, file)).href);
const { targets, platformManifest, mainManifest, packageName } = (await load("tools/packages/targets.mjs")) as {
  targets: Target[];
  platformManifest: (target: Target, main: Manifest, sources: string) => Manifest;
  mainManifest: (main: Manifest) => Manifest;
  packageName: (target: Target) => string;
};
const { sourcesHash, findPrebuilt } = (await load("tools/build/sources.mjs")) as {
  sourcesHash: (root: string) => string;
  findPrebuilt: (root: string, folder: string, machine?: { platform: string; arch: string }) => string | undefined;
};
const main = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Manifest;

const folder = mkdtempSync(path.join(tmpdir(), "owl3-packages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, content: string): void {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), content);
}

test("each package is for one system, processor and C library, in owl3's version, and runs nothing", () => {
  const machines = targets.map((target) => {
    const manifest = platformManifest(target, main, "hash");
    expect(manifest.version).toBe(main.version);
    expect(manifest.files).toEqual(["owl3.node"]);
    expect(manifest.scripts).toBeUndefined();
    expect(manifest.dependencies).toBeUndefined();
    return [manifest.name, ...manifest.os, ...manifest.cpu, ...(manifest.libc ?? [])].join(" ");
  });
  expect(machines).toEqual([
    "@owl3/linux-x64 linux x64 glibc",
    "@owl3/linux-arm64 linux arm64 glibc",
    "@owl3/linuxmusl-x64 linux x64 musl",
    "@owl3/linuxmusl-arm64 linux arm64 musl",
    "@owl3/darwin-arm64 darwin arm64",
    "@owl3/darwin-x64 darwin x64",
    "@owl3/win32-x64 win32 x64",
  ]);
});

test("owl3 as published asks for every package, in its own version, keeps what it asked for before, and has no scripts", () => {
  const { optionalDependencies, scripts, dependencies, version } = mainManifest(main);
  expect({ scripts, dependencies, version }).toEqual({ dependencies: main.dependencies, version: main.version });
  expect(optionalDependencies).toEqual({
    ...main.optionalDependencies,
    ...Object.fromEntries(targets.map((target) => [packageName(target), main.version])),
  });
});

test("owl3 runs no script where it is installed, and what only a build needs is not installed", () => {
  for (const name of ["preinstall", "install", "postinstall"]) expect(main.scripts).not.toHaveProperty(name);
  for (const name of ["cmake-js", "node-addon-api", "node-api-headers"])
    expect(main.dependencies).not.toHaveProperty(name);
});

test("the loader looks for the packages that are built", () => {
  const wanted = targets.flatMap((target) => {
    const { os, cpu } = platformManifest(target, main, "hash");
    return addonPackages(os[0], cpu[0]);
  });
  expect(new Set(wanted)).toEqual(new Set(targets.map(packageName)));
});

test("the hash of the sources changes with a name and with a byte", () => {
  write("clone/CMakeLists.txt", "project(owl3)");
  write("clone/native/base/a.cpp", "int a;");
  const clone = path.join(folder, "clone");
  const first = sourcesHash(clone);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  write("clone/native/base/a.cpp", "int b;");
  const second = sourcesHash(clone);
  expect(second).not.toBe(first);
  rmSync(path.join(clone, "native/base/a.cpp"));
  write("clone/native/base/b.cpp", "int b;");
  expect(sourcesHash(clone)).not.toBe(second);
  rmSync(path.join(clone, "native/base/b.cpp"));
  write("clone/native/base/a.cpp", "int a;");
  expect(sourcesHash(clone)).toBe(first);
});

test("a clone takes the prebuilt engine of its machine if its sources are the same, and no other", () => {
  write("sources/CMakeLists.txt", "project(owl3)");
  write("sources/native/a.cpp", "int a;");
  const clone = path.join(folder, "sources");
  const prebuilds = path.join(folder, "prebuilds");
  const mac = targets.find((target) => target.name === "darwin-arm64") as Target;
  const put = (sources: string) => {
    write("prebuilds/darwin-arm64/package.json", JSON.stringify(platformManifest(mac, main, sources)));
    write("prebuilds/darwin-arm64/owl3.node", "an engine");
  };
  const machine = { platform: "darwin", arch: "arm64" };
  expect(findPrebuilt(clone, prebuilds, machine)).toBeUndefined();
  put(sourcesHash(clone));
  expect(findPrebuilt(clone, prebuilds, machine)).toBe(path.join(prebuilds, "darwin-arm64/owl3.node"));
  expect(findPrebuilt(clone, prebuilds, { platform: "darwin", arch: "x64" })).toBeUndefined();
  expect(findPrebuilt(clone, prebuilds, { platform: "win32", arch: "x64" })).toBeUndefined();
  put("0".repeat(64));
  expect(findPrebuilt(clone, prebuilds, machine)).toBeUndefined();
});

test("on Linux the C library decides", () => {
  write("sources/native/a.cpp", "int a;");
  const clone = path.join(folder, "sources");
  for (const target of targets.filter(({ system }) => system === "Linux")) {
    write(`linux/${target.name}/package.json`, JSON.stringify(platformManifest(target, main, sourcesHash(clone))));
    write(`linux/${target.name}/owl3.node`, "an engine");
  }
  const report = process.report?.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const here = report.header.glibcVersionRuntime ? "linux" : "linuxmusl";
  const found = findPrebuilt(clone, path.join(folder, "linux"), { platform: "linux", arch: "arm64" });
  expect(found).toBe(path.join(folder, `linux/${here}-arm64/owl3.node`));
});
