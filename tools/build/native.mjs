// Builds the native addon at install time; a missing tool gives one sentence saying what to install.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";

const has = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
const fail = (message) => {
  console.error(`owl3: ${message}`);
  process.exit(1);
};

const install =
  process.platform === "darwin"
    ? "xcode-select --install && brew install cmake"
    : "sudo apt install g++ cmake (or your system's equivalent)";
if (!has("cmake")) fail(`the native engine needs CMake 3.19 or newer to build, and none was found: ${install}`);
if (process.platform !== "win32" && !has(process.env.CXX ?? "c++") && !has("g++") && !has("clang++"))
  fail(`the native engine needs a C++20 compiler to build, and none was found: ${install}`);

// CI makes warnings errors; an installation must not fail on a newer compiler's warning.
const strict = process.env.OWL3_WERROR ? ["--CDOWL3_WERROR=ON"] : [];
const cmakeJs = path.join(
  path.dirname(createRequire(import.meta.url).resolve("cmake-js/package.json")),
  "bin/cmake-js",
);
const result = spawnSync(
  process.execPath,
  [cmakeJs, "build", "--parallel", String(availableParallelism()), ...strict],
  {
    stdio: "inherit",
  },
);
if (result.status !== 0) fail("the native engine did not build; the compiler's messages are above");
