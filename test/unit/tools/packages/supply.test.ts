import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../../../support/files.js";

const { packagesOf, faultsOf, licencesPage } = await import("../../../../tools/packages/supply.mjs" as string);
const packages = packagesOf(JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")));

test("every package of the lock file is of npm's registry, pinned, and under a licence that may be", () => {
  expect(packages.length).toBeGreaterThan(100);
  expect(faultsOf(packages)).toEqual([]);
});

test("docs/licences.md is that of the lock file", () => {
  expect(readFileSync(path.join(root, "docs/licences.md"), "utf8")).toBe(licencesPage(packages));
});

test("a strange source, a missing hash and a licence that is not allowed are told", () => {
  const sound = { name: "a", version: "1.0.0", integrity: `sha512-${"A".repeat(86)}==`, license: "MIT" };
  expect(faultsOf([sound])).toEqual([]);
  expect(faultsOf([{ ...sound, license: "(GPL-3.0 OR MIT)" }])).toEqual([]);
  for (const wrong of [
    { resolved: "https://registry.npmjs.org.example.org/a.tgz" },
    { resolved: "git+ssh://git@github.com/a/a.git" },
    { integrity: undefined },
    { integrity: `sha1-${"A".repeat(27)}=` },
    { license: "GPL-3.0" },
    { license: "MIT AND SSPL-1.0" },
    { license: undefined },
  ])
    expect(faultsOf([{ ...sound, ...wrong }]), JSON.stringify(wrong)).toHaveLength(1);
});
