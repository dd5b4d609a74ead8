#!/usr/bin/env node
/**
 * Figures of the CUDA backend that need no GPU: node tools/bench/cuda_static.mjs PROGRAM [FOLDER]
 *
 * PROGRAM is cuda_launches, as `cmake --build BUILD --target cuda_launches` makes it: it says what a token and a prompt launch. ptxas's
 * reports of the kernels, `nvcc -cubin -arch=sm_XX -Xptxas -v ...`, are made here or, where FOLDER has them as XX.log, read from there.
 * Both become the tables of docs/cuda.md between its markers. Limits are those of NVIDIA's CUDA C++ Programming Guide ("Technical
 * Specifications per Compute Capability") and of the data sheets; nothing here was measured.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const [program, folder] = process.argv.slice(2);
if (!program) {
  console.error("usage: node tools/bench/cuda_static.mjs PROGRAM [FOLDER]");
  process.exit(2);
}

/** A multiprocessor: warps and blocks that it holds, shared memory in KiB, and what a block takes of it besides its own. */
const architectures = {
  75: { warps: 32, blocks: 16, shared: 64, reserved: 0 },
  80: { warps: 64, blocks: 32, shared: 164, reserved: 1 },
  86: { warps: 48, blocks: 16, shared: 100, reserved: 1 },
  89: { warps: 48, blocks: 24, shared: 100, reserved: 1 },
  90: { warps: 64, blocks: 32, shared: 228, reserved: 1 },
  100: { warps: 64, blocks: 32, shared: 228, reserved: 1 },
  120: { warps: 48, blocks: 24, shared: 100, reserved: 1 },
};
/** GB/s; multiprocessors; their clock in GHz when boosting; int8 multiply-adds of one of them a clock. */
const devices = {
  "RTX 3090": { bandwidth: 936, processors: 82, clock: 1.695, int8: 1024 },
  "RTX 4090": { bandwidth: 1008, processors: 128, clock: 2.52, int8: 1024 },
  "H100 SXM": { bandwidth: 3350, processors: 132, clock: 1.83, int8: 4096 },
};
/**
 * Instructions of a warp for 16 outputs, 8 rows and a block of 32 columns (kernels/formats.cuh): products on the tensor cores, three
 * loads from shared memory, and for each of four sums a subtraction, a product and an fma; more where a block has minima or two scales.
 * Work that is done once for all rows of a warp is left out. A multiprocessor issues four a clock.
 */
const instructions = { q8_0: 16, q4_k: 20, q6_k: 29 };

function report(arch) {
  const kept = folder && path.join(folder, `${arch}.log`);
  if (kept && existsSync(kept)) return readFileSync(kept, "utf8");
  const command = ["-cubin", `-arch=sm_${arch}`, "-std=c++17", "-fmad=false", "-Inative", "-Xptxas", "-v"];
  const done = spawnSync("nvcc", [...command, "-o", "/dev/null", "native/cuda/kernels/kernels.cu"], {
    cwd: root,
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`nvcc failed for sm_${arch}: ${done.stderr}`);
  return done.stderr + done.stdout;
}

/** Registers and spilled bytes of every kernel. */
function resources(text) {
  const found = new Map();
  const part =
    /Function properties for (\w+)\n.*?(\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers/g;
  for (const [, name, stores, loads, registers] of text.matchAll(part))
    found.set(name, { registers: Number(registers), spilled: Number(stores) + Number(loads) });
  return found;
}

/** The share of a multiprocessor's warps that fit. */
function occupancy(limits, { threads, shared }, registers) {
  const warps = threads / 32;
  const byRegisters = Math.floor(65536 / (Math.ceil((registers * 32) / 256) * 256) / warps);
  const byShared = Math.floor((limits.shared * 1024) / (shared + limits.reserved * 1024 || 1));
  const blocks = Math.min(limits.blocks, Math.floor(limits.warps / warps), byRegisters, byShared);
  return (blocks * warps) / limits.warps;
}

const row = (...cells) => `| ${cells.join(" | ")} |`;
const header = (...cells) => [row(...cells), row(...cells.map(() => "---"))];
const percent = (share) => `${Math.round(share * 100)} %`;

const passes = JSON.parse(execFileSync(program, { encoding: "utf8" }));
const launched = new Map(passes.flatMap((pass) => Object.entries(pass.kernels)));
const known = new Map(Object.keys(architectures).map((arch) => [arch, resources(report(arch))]));

const kernels = [...header("kernel", "threads", "shared", ...Object.keys(architectures).map((arch) => `sm_${arch}`))];
for (const [name, launch] of [...launched].sort(([a], [b]) => (a < b ? -1 : 1)))
  kernels.push(
    row(
      `\`${name}\``,
      launch.threads,
      `${(launch.shared / 1024).toFixed(1)} KiB`,
      ...Object.entries(architectures).map(([arch, limits]) => {
        const used = known.get(arch).get(name);
        if (!used) throw new Error(`the report for sm_${arch} has no ${name}`);
        const spilled = used.spilled > 0 ? `, ${used.spilled} B spilled` : "";
        return `${used.registers}, ${percent(occupancy(limits, launch, used.registers))}${spilled}`;
      }),
    ),
  );
const spilling = [...known].flatMap(([arch, all]) =>
  [...all].filter(([, used]) => used.spilled > 0).map(([name]) => `${name} (sm_${arch})`),
);

const tokens = [
  ...header(
    "model",
    "work",
    "MB",
    "of it in the file",
    "launches",
    ...Object.keys(devices).map((name) => `${name}: at most`),
  ),
];
for (const pass of passes.filter((each) => each.rows === 1)) {
  const bytes = pass.device_bytes + pass.kv_bytes;
  const launches = Object.values(pass.kernels).reduce((sum, kernel) => sum + kernel.count, 0);
  tokens.push(
    row(
      `${pass.model} ${pass.format}`,
      pass.work,
      Math.round(bytes / 1e6),
      percent((pass.file_bytes + pass.kv_bytes) / bytes),
      launches,
      ...Object.values(devices).map((device) => `${Math.round((device.bandwidth * 1e9) / bytes)} tokens/s`),
    ),
  );
}

const prompts = [
  ...header("model", "work", "10^12 multiply-adds", ...Object.keys(devices).map((name) => `${name}: at most`)),
];
for (const pass of passes.filter((each) => each.rows > 1)) {
  const sum = Object.values(pass.products).reduce((a, b) => a + b, 0);
  prompts.push(
    row(
      `${pass.model} ${pass.format}`,
      pass.work,
      (sum / 1e12).toFixed(2),
      ...Object.values(devices).map((device) => {
        const perfect = sum / device.int8;
        const issued = Object.entries(pass.products).map(([format, n]) => ((n / 4096) * instructions[format]) / 4);
        const clocks = Math.max(
          perfect,
          issued.reduce((a, b) => a + b, 0),
        );
        const seconds = clocks / device.processors / (device.clock * 1e9);
        return `${Math.round(pass.rows / seconds)} tokens/s, ${percent(perfect / clocks)} of int8`;
      }),
    ),
  );
}

const text = `Registers a thread, and the share of a multiprocessor's warps that fit beside each other, of every kernel that a token or a prompt of 2B and 7B launches:

${kernels.join("\n")}

${spilling.length === 0 ? "No kernel spills registers on any architecture." : `Registers are spilled by ${spilling.join(", ")}.`}

What a token reads, and how many it could be in a second if nothing but the memory of the data sheet took time:

${tokens.join("\n")}

A prompt of 512 positions, if nothing but its matrix products took time: they issue more instructions than the tensor cores need on large devices, which bounds the share of
the data sheet's int8 rate that they can reach:

${prompts.join("\n")}`;

const file = path.join(root, "docs/cuda.md");
const before = readFileSync(file, "utf8");
const marks =
  /(<!-- Static figures, by tools\/bench\/cuda_static\.mjs -->\n)[\s\S]*?(\n<!-- End of static figures -->)/;
if (!marks.test(before)) throw new Error("docs/cuda.md has no markers for the figures");
writeFileSync(
  file,
  before.replace(marks, (_, begin, end) => `${begin}\n${text}\n${end}`),
);
