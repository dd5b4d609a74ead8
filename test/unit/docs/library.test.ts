import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import * as library from "../../../src/index.js";
import { root, temporaryFolder } from "../../support/files.js";

// The reference is committed, so that it is read where the other documents are and a change of the library shows in its diff.
test("docs/library is what typedoc makes of the types", () => {
  const folder = temporaryFolder();
  const { status, stderr, stdout } = spawnSync("npx", ["--no-install", "typedoc", "--out", folder], {
    cwd: root,
    encoding: "utf8",
    timeout: 170_000,
  });
  expect(status, stdout + stderr).toBe(0);
  const page = (from: string) => readFileSync(path.join(from, "README.md"), "utf8");
  expect(page(path.join(root, "docs/library")), "npm run docs:library").toBe(page(folder));
}, 180_000);

test("every value of the library has a heading", () => {
  const text = readFileSync(path.join(root, "docs/library/README.md"), "utf8");
  for (const name of Object.keys(library)) expect(text).toMatch(new RegExp(`^### ${name}(\\(\\))?$`, "m"));
});
