#!/usr/bin/env node
/**
 * Builds the packages of owl3 and packs them into prebuilds/:
 *
 *   npm run build:packages                            the packages of all platforms, and owl3 itself
 *   npm run build:packages -- linux-x64 win32-x64     those of these platforms, and owl3 itself
 *   npm run build:packages -- --built                 that of this machine with the engine that this clone compiled
 *
 * prebuilds/TARGET/ is a platform's package and prebuilds/NAME-VERSION.tgz are what `npm publish` takes. The engines are
 * compiled by `zig c++` with the CMake files that a clone uses. OWL3_ZIG names another zig than the one of .venv.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sourcesHash, targetName } from "../build/sources.mjs";
import { describe, mainManifest, packageName, platformManifest, targets } from "./targets.mjs";
import { findZig } from "./zig.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const work = path.join(root, "build-packages");
const out = path.join(root, "prebuilds");
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/** Runs a program, whose messages go to stderr, and returns what it printed if that is asked for. */
function run(program, args, { cwd = root, print = false } = {}) {
  const stdio = ["ignore", print ? "pipe" : 2, "inherit"];
  const { status, stdout, error } = spawnSync(program, args, { cwd, stdio, encoding: "utf8" });
  if (error || status !== 0) throw new Error(`${program} ${args[0]} failed${error ? `: ${error.message}` : ""}`);
  return stdout;
}

/** Compiles the engine for a target and returns its path. */
function compile(target, zig) {
  const folder = path.join(work, target.name);
  const options = {
    CMAKE_TOOLCHAIN_FILE: path.join(root, "tools/packages/zig.cmake"),
    OWL3_ZIG: zig,
    OWL3_ZIG_TARGET: target.zig,
    CMAKE_SYSTEM_NAME: target.system,
    CMAKE_SYSTEM_PROCESSOR: target.processor,
    CMAKE_BUILD_TYPE: "Release",
  };
  if (target.system === "Windows") options.CMAKE_JS_LIB = nodeLibrary(folder, zig);
  run("cmake", ["-S", root, "-B", folder, ...Object.entries(options).map(([key, value]) => `-D${key}=${value}`)]);
  const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL || String(availableParallelism());
  run("cmake", ["--build", folder, "--target", "owl3", "--parallel", jobs]);
  return path.join(folder, "Release/owl3.node");
}

/** Windows wants to know at link time where functions come from: an import library that says "from node.exe". */
function nodeLibrary(folder, zig) {
  const { def_paths: defs } = createRequire(import.meta.url)("node-api-headers");
  const names = [defs.js_native_api_def, defs.node_api_def].flatMap((file) =>
    readFileSync(file, "utf8").split(/\r?\n/).slice(2),
  );
  const library = path.join(folder, "node.lib");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "node.def"), ["NAME NODE.EXE", "EXPORTS", ...names].join("\n"));
  run(zig, ["dlltool", "-m", "i386:x86-64", "-d", path.join(folder, "node.def"), "-l", library]);
  return library;
}

/** Packs a folder into prebuilds/ and returns the tarball's name. */
function pack(folder, destination = out) {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", destination];
  return JSON.parse(run("npm", args, { cwd: folder, print: true }))[0].filename;
}

function packPlatform(target, engine, sources) {
  const folder = path.join(out, target.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(engine, path.join(folder, "owl3.node"));
  copyFileSync(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
  const readme = `# ${packageName(target)}\n\nThe native engine of [owl3](https://www.npmjs.com/package/owl3) for ${describe(target)}. owl3 installs it by itself.\n`;
  writeFileSync(path.join(folder, "README.md"), readme);
  writeFileSync(
    path.join(folder, "package.json"),
    `${JSON.stringify(platformManifest(target, manifest, sources), null, 2)}\n`,
  );
  return pack(folder);
}

/** Packs owl3: what `npm pack` packs of a clone, with the packages of all platforms among its dependencies. */
function packMain() {
  run("npm", ["run", "--silent", "build"]);
  const stage = path.join(work, "owl3");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  run("tar", ["-xzf", path.join(stage, pack(root, stage)), "-C", stage]);
  const folder = path.join(stage, "package");
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(mainManifest(manifest), null, 2)}\n`);
  return pack(folder);
}

const size = (file) => `${(statSync(file).size / 1e6).toFixed(2)} MB`;

/** The target that this machine runs. */
function thisMachine() {
  const name = targetName();
  const found = targets.find((target) => target.name === name);
  if (found === undefined) throw new Error(`there is no package for ${name}`);
  return found;
}

/** Packs the wanted platforms' packages, each with the engine that `make` gives, and owl3. */
function packAll(wanted, make) {
  const sources = sourcesHash(root);
  mkdirSync(out, { recursive: true });
  for (const target of wanted) {
    const engine = make(target);
    const tarball = packPlatform(target, engine, sources);
    console.log(`${tarball}: ${size(path.join(out, tarball))}, engine ${size(engine)}`);
  }
  const tarball = packMain();
  console.log(`${tarball}: ${size(path.join(out, tarball))}`);
}

function main(args) {
  const names = args.filter((arg) => arg !== "--built");
  const unknown = names.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0)
    throw new Error(`${unknown.join(", ")}: expected ${targets.map((target) => target.name).join(", ")}`);
  if (args.includes("--built")) return packAll([thisMachine()], () => path.join(root, "build/Release/owl3.node"));
  const wanted = targets.filter((target) => names.length === 0 || names.includes(target.name));
  process.env.ZIG_GLOBAL_CACHE_DIR ??= path.join(root, ".zig-cache");
  process.env.ZIG_LOCAL_CACHE_DIR ??= process.env.ZIG_GLOBAL_CACHE_DIR;
  const zig = findZig(root);
  packAll(wanted, (target) => compile(target, zig));
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`build:packages: ${error.message}`);
  process.exit(1);
}
