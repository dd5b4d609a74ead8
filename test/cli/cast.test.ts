import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/files.js";

// The README's terminal shows a recorded run. A new run has to say the same.
test("what the README's terminal shows is what owl3 says", () => {
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, "tools/docs/cast.mjs"), "--check"], {
    encoding: "utf8",
    timeout: 110_000,
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
}, 120_000);
