// Prebuilt engines of a clone: which one was built from these very sources.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The SHA-256 of what the engine is built from: names and bytes of CMakeLists.txt and of all files in native/. */
export function sourcesHash(root) {
  const files = readdirSync(path.join(root, "native"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"));
  const hash = createHash("sha256");
  for (const file of ["CMakeLists.txt", ...files.sort()]) {
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** Tells whether the Node that runs this on Linux uses glibc; the other C library is musl. */
const usesGlibc = () => process.report.getReport().header.glibcVersionRuntime !== undefined;

/** The name of the target that this machine runs, as "linux-x64" and "linuxmusl-x64" are. */
export function targetName() {
  const musl = process.platform === "linux" && !usesGlibc();
  return `${process.platform}${musl ? "musl" : ""}-${process.arch}`;
}

/**
 * The engine in FOLDER/TARGET/owl3.node that fits this machine and was built from the sources in `root`, or undefined.
 * `npm run build:packages` writes such folders; their package.json says for which system and from which sources.
 */
export function findPrebuilt(root, folder, { platform, arch } = process) {
  if (!existsSync(folder)) return undefined;
  const glibc = platform !== "linux" || usesGlibc();
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name, "owl3.node");
    const description = path.join(folder, name, "package.json");
    if (!existsSync(file) || !existsSync(description)) continue;
    const { os, cpu, libc, owl3 } = JSON.parse(readFileSync(description, "utf8"));
    const fits = os?.includes(platform) && cpu?.includes(arch) && (!libc || libc.includes("glibc") === glibc);
    if (fits && owl3?.sources === sourcesHash(root)) return file;
  }
  return undefined;
}
