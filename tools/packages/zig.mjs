// zig, the compiler for other systems: a Python wheel that brings Clang, libc++ and the C libraries of all targets.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/**
 * The path of zig: OWL3_ZIG, else that of the repository's .venv, where `pip` installs it first if it is missing.
 * Throws an Error that says what is missing.
 */
export function findZig(root) {
  if (process.env.OWL3_ZIG) return process.env.OWL3_ZIG;
  const venv = path.join(root, ".venv");
  const python = path.join(venv, "bin/python");
  const run = (program, ...args) => spawnSync(program, args, { stdio: ["ignore", 2, "inherit"] }).status === 0;
  const wanted = path.join(root, "tools/packages/requirements.txt");
  if (!existsSync(python) && !run("python3", "-m", "venv", venv))
    throw new Error("zig comes from PyPI, and no Python environment could be made: apt install python3-venv");
  if (!run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted))
    throw new Error(`zig could not be installed: ${python} -m pip install -r ${wanted}`);
  const where = "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))";
  return spawnSync(python, ["-c", where], { encoding: "utf8" }).stdout.trim();
}
