// The platforms that have a prebuilt engine, and the package.json of each package. Names are as sharp's: a system,
// linuxmusl where the C library is musl, and Node's name of the processor.

/**
 * `zig` names the target for zig: glibc 2.28 is what Node's own binaries need, and macOS 11 is the oldest that its
 * Node 20 runs on.
 */
export const targets = [
  { name: "linux-x64", zig: "x86_64-linux-gnu.2.28", system: "Linux", processor: "x86_64", libc: "glibc" },
  { name: "linux-arm64", zig: "aarch64-linux-gnu.2.28", system: "Linux", processor: "aarch64", libc: "glibc" },
  { name: "linuxmusl-x64", zig: "x86_64-linux-musl", system: "Linux", processor: "x86_64", libc: "musl" },
  { name: "linuxmusl-arm64", zig: "aarch64-linux-musl", system: "Linux", processor: "aarch64", libc: "musl" },
  { name: "darwin-arm64", zig: "aarch64-macos.11.0", system: "Darwin", processor: "arm64" },
  { name: "darwin-x64", zig: "x86_64-macos.11.0", system: "Darwin", processor: "x86_64" },
  { name: "win32-x64", zig: "x86_64-windows-gnu", system: "Windows", processor: "AMD64" },
];

/** The name of a target's package on npm. */
export const packageName = (target) => `@owl3/${target.name}`;

/**
 * The package.json of a target's package: npm installs it on the machines that `os`, `cpu` and `libc` name, and it runs
 * nothing. `main` is owl3's package.json; `sources` is the hash of what the engine was built from (tools/build/sources.mjs).
 */
export function platformManifest(target, main, sources) {
  const [system, cpu] = target.name.split("-");
  return {
    name: packageName(target),
    version: main.version,
    description: `The native engine of owl3 for ${describe(target)}.`,
    license: main.license,
    ...(main.repository && { repository: main.repository }),
    engines: main.engines,
    os: [system.replace("musl", "")],
    cpu: [cpu],
    ...(target.libc && { libc: [target.libc] }),
    files: ["owl3.node"],
    owl3: { sources },
  };
}

/**
 * The package.json of owl3 as it is published: with the packages of all platforms, each in owl3's very version, and
 * without scripts, which are a clone's (npm would ask whoever installs the tarball whether `prepare` may run).
 */
export function mainManifest({ scripts: _, ...main }) {
  const engines = targets.map((target) => [packageName(target), main.version]);
  return { ...main, optionalDependencies: { ...main.optionalDependencies, ...Object.fromEntries(engines) } };
}

/** A target in words, as in "Linux (glibc), x64". */
export function describe(target) {
  const system = { Linux: "Linux", Darwin: "macOS", Windows: "Windows" }[target.system];
  return `${system}${target.libc ? ` (${target.libc})` : ""}, ${target.name.split("-")[1]}`;
}
