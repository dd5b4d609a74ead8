import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, temporaryFolder } from "../../../support/files.js";

const folder = temporaryFolder();

test("the script for machines with a GPU says plainly when there is none, and writes nothing", () => {
  const tool = join(folder, "nvidia-smi"); // so that it finds none on any machine
  writeFileSync(tool, "#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2\nexit 9\n");
  chmodSync(tool, 0o755);
  const out = join(folder, "gpu.json");
  const run = spawnSync(join(root, "tools/bench/gpu.sh"), [out], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
  });
  expect(run.status).toBe(1);
  expect(run.stderr).toBe(
    `There is no NVIDIA GPU here (nvidia-smi names none), so nothing was measured and ${out} was not written.\n`,
  );
  expect(existsSync(out)).toBe(false);
});
