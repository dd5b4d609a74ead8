import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** Where an engine may be, in the order in which they are asked. */
export interface AddonFile {
  path: string;
  /** The package that holds it, or undefined for one that was built here. */
  package?: string;
}

/** Finds a file of a package, or undefined where the package is not installed. */
export type Resolve = (specifier: string) => string | undefined;

/**
 * The packages with an engine for a machine, the likelier first. On Linux there is one for glibc and one for musl; npm
 * installs the one that fits, and where another program installed both, the wrong one does not load.
 */
export function addonPackages(platform: string = process.platform, arch: string = process.arch): string[] {
  const systems = platform === "linux" ? ["linux", "linuxmusl"] : [platform];
  return systems.map((system) => `@owl3/${system}-${arch}`);
}

/** The engines that are there: one built here (build/Release, or build/Debug) alone, else those of packages. */
export function addonFiles(root: URL = packageRoot, resolve: Resolve = resolveHere): AddonFile[] {
  const own = ["Release", "Debug"].map((kind) => fileURLToPath(new URL(`build/${kind}/owl3.node`, root)));
  const built = own.find((path) => existsSync(path));
  if (built !== undefined) return [{ path: built }];
  return addonPackages().flatMap((name) => {
    const path = resolve(`${name}/owl3.node`);
    return path === undefined ? [] : [{ path, package: name }];
  });
}

const packageRoot = new URL("../../", import.meta.url);

function resolveHere(specifier: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(specifier);
  } catch {
    return undefined;
  }
}
