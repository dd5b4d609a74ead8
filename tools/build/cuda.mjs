// Makes build/Release/owl3-cuda.node, the plugin for NVIDIA GPUs: `npm run build:cuda`, on any machine, with a GPU or without.
//   npm run build:cuda -- [--for 80,90] [--wheels]
// The compiler is nvcc of $CUDA_HOME or PATH, else (and with --wheels) that of NVIDIA's wheels on PyPI, which come into
// .venv-cuda. --for names compute capabilities without the point, where not all are wanted; each takes some minutes.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: flags } = parseArgs({ options: { for: { type: "string" }, wheels: { type: "boolean" } } });
const folder = path.join(root, "build-cuda");
const plugin = path.join(root, "build/Release/owl3-cuda.node");

/** A cubin runs on its architecture and on later ones with the same first digit. */
const all = [75, 80, 86, 89, 90, 100, 120];
const architectures = flags.for?.split(",").map(Number) ?? all;
/** Compiled by the driver for what has no cubin. */
const ptx = Math.min(90, ...architectures.slice(-1));

/** The wheels are all of one release; together they are a toolkit without libraries. */
const wheels = ["nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-runtime", "nvidia-cuda-cccl"];
const release = "13.0.*";

const fail = (message) => {
  console.error(`owl3: ${message}`);
  process.exit(1);
};
const run = (command, args, what) => {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", cwd: root });
  if (error || status !== 0) fail(`${what}${error ? `: ${error.message}` : "; the messages are above"}`);
};

/** The version of an nvcc as the driver counts: 13000 for 13.0; undefined when it does not run. */
function versionOf(nvcc) {
  const { status, stdout } = spawnSync(nvcc, ["--version"], { encoding: "utf8" });
  const [, major, minor] = (status === 0 && /release (\d+)\.(\d+)/.exec(stdout)) || [];
  return major === undefined ? undefined : Number(major) * 1000 + Number(minor) * 10;
}

/** "12.8" of 12080. */
const versionText = (version) => `${Math.floor(version / 1000)}.${(version % 1000) / 10}`;

/** The nvcc of the wheels, where they are. */
function fromWheels() {
  const python = path.join(root, ".venv-cuda/lib");
  const inside = (folder) => (existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : []);
  return inside(python)
    .flatMap((version) => inside(path.join(version, "site-packages/nvidia")))
    .map((toolkit) => path.join(toolkit, "bin/nvcc"))
    .find((nvcc) => existsSync(nvcc));
}

/** Finds nvcc, or fetches it. `--wheels` passes over what is installed. */
function compiler() {
  const installed = process.env.CUDA_HOME ? path.join(process.env.CUDA_HOME, "bin/nvcc") : "nvcc";
  if (!flags.wheels) {
    const version = versionOf(installed);
    if (version >= 12080) return { nvcc: installed, version };
    if (version !== undefined)
      console.error(`owl3: nvcc ${versionText(version)} is older than 12.8 and does not know all architectures`);
    if (process.env.CUDA_HOME && version === undefined) fail(`$CUDA_HOME has no bin/nvcc: ${process.env.CUDA_HOME}`);
  }
  if (!fromWheels()) {
    console.error("owl3: fetching nvcc from PyPI into .venv-cuda (about 130 MB)");
    const venv = path.join(root, ".venv-cuda");
    run("python3", ["-m", "venv", venv], "no nvcc was found, and Python's venv for its wheels can't be made");
    run(
      path.join(venv, "bin/pip"),
      ["install", "-q", ...wheels.map((name) => `${name}==${release}`)],
      "nvcc can't be fetched",
    );
  }
  const nvcc = fromWheels();
  const version = nvcc && versionOf(nvcc);
  if (!version) fail("the nvcc of NVIDIA's wheels does not run");
  return { nvcc, version };
}

/** Whether the compiled kernels are newer than all that they are made of. */
function current() {
  if (!existsSync(kernels)) return false;
  const made = statSync(kernels).mtimeMs;
  const sources = ["kernels", "simt"].flatMap((name) =>
    readdirSync(path.join(root, "native/cuda", name)).map((file) => `native/cuda/${name}/${file}`),
  );
  return [...sources, "tools/build/cuda.mjs"].every((file) => statSync(path.join(root, file)).mtimeMs < made);
}

const unknown = architectures.find((one) => !all.includes(one));
if (unknown !== undefined) fail(`the kernels are written for ${all.join(", ")}, not for ${unknown}`);
if (process.platform === "win32") fail("the plugin is built on Linux only");
const { nvcc, version } = compiler();
const kernels = path.join(folder, `kernels-${versionText(version)}-${architectures.join("-")}.fatbin`);
mkdirSync(folder, { recursive: true });
if (!current()) {
  console.error(`owl3: nvcc ${versionText(version)} compiles the kernels for ${architectures.join(", ")}`);
  const made = `${kernels}.partial`;
  const targets = [
    ...architectures.map((sm) => `arch=compute_${sm},code=sm_${sm}`),
    `arch=compute_${ptx},code=compute_${ptx}`,
  ];
  run(
    nvcc,
    [
      ...["-fatbin", "-std=c++17", "-O3", "-fmad=false", "-Inative", "-Xfatbin", "-compress-all"],
      ...["--threads", String(Math.min(availableParallelism(), targets.length))],
      ...targets.flatMap((target) => ["-gencode", target]),
      ...["-o", made, "native/cuda/kernels/kernels.cu"],
    ],
    "the kernels do not compile",
  );
  renameSync(made, kernels);
}
run(
  "cmake",
  [
    ...["-S", ".", "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DOWL3_ADDON=OFF"],
    ...[`-DOWL3_CUDA_KERNELS=${kernels}`, `-DOWL3_CUDA_VERSION=${version}`],
  ],
  "CMake can't set the plugin up",
);
run(
  "cmake",
  ["--build", folder, "--target", "owl3_cuda_plugin", "cuda_hashes", "--parallel", String(availableParallelism())],
  "the plugin does not compile",
);
mkdirSync(path.dirname(plugin), { recursive: true });
for (const made of ["owl3-cuda.node", "cuda_hashes"]) {
  const file = path.join(path.dirname(plugin), made);
  rmSync(file, { force: true }); // a process that runs it keeps the old file
  copyFileSync(path.join(folder, "Release", made), file);
}
const megabytes = (file) => `${(statSync(file).size / 1e6).toFixed(1)} MB`;
console.error(`owl3: ${path.relative(root, plugin)} is made (${megabytes(plugin)}, kernels ${megabytes(kernels)})`);
