import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

// Every native test (test/native/*.cpp) is a test here, so that one runner counts them all.
const binary = fileURLToPath(new URL("../build/test/native/native_tests", import.meta.url));

for (const name of execFileSync(binary, ["--list"], { encoding: "utf8" }).trim().split("\n")) {
  test(name, () => {
    const run = spawnSync(binary, [name], { encoding: "utf8" });
    expect(run.stdout + run.stderr).toMatch(/^[1-9]\d* passed, 0 failed$/m);
  });
}
