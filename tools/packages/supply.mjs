#!/usr/bin/env node
/**
 * Checks the lock file and lists licences: node tools/packages/supply.mjs [--write]. Every package of package-lock.json must come from npm's registry and
 * have a sha512, so that npm ci takes the very bytes that were reviewed; its licence must be one of those below. --write makes docs/licences.md.
 * `npm sbom --sbom-format cyclonedx --omit dev` makes a list for other programs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const registry = "https://registry.npmjs.org/";

/** Licences under which a package may be used and installed beside owl3, which is Apache-2.0. */
const allowed = [
  ...["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC", "MIT", "MPL-2.0", "Python-2.0"],
  "LGPL-3.0-or-later", // libvips, a library of its own that sharp loads
];
/** Packages under another licence, with the reason why they may be here. */
const exceptions = {
  "@ffmpeg/core": "GPL-2.0-or-later; optional, a program of its own that runs as WebAssembly in a worker",
};

/** The packages of a lock file, by name and version. */
export function packagesOf(lock) {
  const found = new Map();
  for (const [place, one] of Object.entries(lock.packages)) {
    if (place === "" || one.link) continue;
    const name = one.name ?? place.split("node_modules/").at(-1);
    found.set(`${name}@${one.version}`, { name, ...one });
  }
  return [...found.values()].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1,
  );
}

/** Says what is wrong with packages, a sentence each. */
export function faultsOf(packages) {
  const allows = (licence) =>
    licence.split(" AND ").every((part) =>
      part
        .replace(/[()]/g, "")
        .split(" OR ")
        .some((one) => allowed.includes(one)),
    );
  return packages.flatMap(({ name, version, resolved, integrity, license }) => [
    ...(resolved === undefined || resolved.startsWith(registry) ? [] : [`${name}@${version} comes from ${resolved}.`]),
    ...(/^sha512-[\w+/]{86}==$/.test(integrity ?? "") ? [] : [`${name}@${version} has no sha512.`]),
    ...(name in exceptions || allows(license ?? "") ? [] : [`${name}@${version} has the licence ${license}.`]),
  ]);
}

/** docs/licences.md. */
export function licencesPage(packages) {
  const table = (list) =>
    [
      "| package | version | licence |",
      "|---|---|---|",
      ...list.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`),
    ].join("\n");
  const used = packages.filter(({ dev }) => !dev);
  return `# Licences

What \`package-lock.json\` installs, made by \`node tools/packages/supply.mjs --write\`. owl3 itself is under the Apache License 2.0. sharp's packages hold libvips as a
library of its own (LGPL). \`@ffmpeg/core\` is optional: ${exceptions["@ffmpeg/core"].split("; optional, ").join(", ")}; without it \`--decoder system\` reads videos.

## With owl3

${table(used)}

## For development alone

${table(packages.filter(({ dev }) => dev))}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const packages = packagesOf(JSON.parse(readFileSync(here("package-lock.json"), "utf8")));
  const faults = faultsOf(packages);
  for (const fault of faults) console.log(fault);
  if (process.argv.includes("--write")) writeFileSync(here("docs/licences.md"), licencesPage(packages));
  console.log(`${packages.length - faults.length} passed, ${faults.length} failed`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
