// Compiles the engine: `npm ci` in a clone, and `owl3 build`. A missing tool gives one sentence saying what to install.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const has = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
const fail = (message) => {
  console.error(`owl3: ${message}`);
  process.exit(1);
};

/** The path of cmake-js. An installed package comes without it and the headers: few need them, and they are 40 packages. */
function cmakeJs() {
  const require = createRequire(path.join(root, "package.json"));
  try {
    require.resolve("node-addon-api/package.json");
    return path.join(path.dirname(require.resolve("cmake-js/package.json")), "bin/cmake-js");
  } catch {
    const { devDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    const wanted = ["cmake-js", "node-addon-api"].map((name) => `${name}@${devDependencies[name]}`);
    // Where owl3 is a dependency of a project, they become ones too; else it is installed globally, and so are they.
    const project = existsSync(path.join(root, "../../package.json"));
    const how = `npm install ${project ? "--save-dev" : "--global"} ${wanted.join(" ")}`;
    return fail(`compiling the native engine needs two packages that are not installed: ${how}`);
  }
}

const install =
  process.platform === "darwin"
    ? "xcode-select --install && brew install cmake"
    : "sudo apt install g++ cmake (or your system's equivalent)";
if (!has("cmake")) fail(`the native engine needs CMake 3.19 or newer to build, and none was found: ${install}`);
if (process.platform !== "win32" && !has(process.env.CXX ?? "c++") && !has("g++") && !has("clang++"))
  fail(`the native engine needs a C++20 compiler to build, and none was found: ${install}`);
const tool = cmakeJs();
try {
  accessSync(root, constants.W_OK);
} catch {
  fail(`${root} can't be written to: build the native engine as the user who installed owl3`);
}

// CI makes warnings errors; an installation must not fail on a newer compiler's warning.
const strict = process.env.OWL3_WERROR ? ["--CDOWL3_WERROR=ON"] : [];
const result = spawnSync(
  process.execPath,
  [tool, "build", "--directory", root, "--parallel", String(availableParallelism()), ...strict],
  { stdio: "inherit", cwd: root },
);
if (result.status !== 0) fail("the native engine did not build; the compiler's messages are above");
