import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, temporaryFolder } from "../../../support/files.js";

const folder = temporaryFolder();
const program = (name: string, text: string): void => {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
};
program("nvidia-smi", "echo 'NVIDIA-SMI has failed' >&2\nexit 9"); // so that it finds none on any machine
program("python3", "exit 1"); // which has no torch

const gpu = (args: string[], more: NodeJS.ProcessEnv = {}) =>
  spawnSync(join(root, "tools/bench/gpu.sh"), args, {
    encoding: "utf8",
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, SHAPES: "2b", ...more },
  });

test("the script for machines with a GPU says plainly when there is none, and writes nothing", () => {
  const out = join(folder, "gpu.json");
  const run = gpu([out]);
  expect(run.status).toBe(1);
  expect(run.stderr).toBe(
    `There is no NVIDIA GPU here (nvidia-smi names none), so nothing was measured and ${out} was not written.\n`,
  );
  expect(existsSync(out)).toBe(false);
});

test("a dry run tells the steps, and why others are left out", () => {
  const out = join(folder, "dry.json");
  const bare = gpu(["--dry-run", out]);
  expect(bare.status).toBe(0);
  expect(bare.stderr.split("\n").filter((line) => !line.includes("compute-sanitizer"))).toEqual([
    "golden checkpoints",
    "hashes of products",
    "owl3 bench, 2b as q4_k_m",
    "owl3 bench, 2b as q8_0",
    "PyTorch with cuBLASLt and FlashAttention is left out: python3 has no torch that sees a GPU",
    "llama.cpp, 2b as q4_k_m is left out: $PEERS has no llama-bench, or no llama-2b-q4_k_m.gguf",
    "llama.cpp, 2b as q8_0 is left out: $PEERS has no llama-bench, or no llama-2b-q8_0.gguf",
    "",
  ]);
  mkdirSync(join(folder, "llama.cpp/build/bin"), { recursive: true });
  program("llama.cpp/build/bin/llama-bench", "exit 0");
  program("compute-sanitizer", "exit 0");
  program("python-with-torch", "exit 0");
  writeFileSync(join(folder, "llama-2b-q8_0.gguf"), "");
  const full = gpu(["--dry-run", out], { PEERS: folder, PYTHON: join(folder, "python-with-torch") });
  expect(full.stderr.split("\n")).toEqual(
    expect.arrayContaining([
      "compute-sanitizer racecheck",
      "cuBLASLt and FlashAttention",
      "PyTorch, 2b in bf16",
      "llama.cpp, 2b as q8_0",
    ]),
  );
  expect(existsSync(out)).toBe(false);
});

test("the report holds every step, tests and hashes that failed, and the figures", () => {
  const parts = join(folder, "parts");
  mkdirSync(parts);
  const put = (name: string, text: string): void => writeFileSync(join(parts, name), text);
  const hashes = readFileSync(join(root, "tools/bench/cuda_hashes.txt"), "utf8");
  put("doctor.json", '{"device cuda:0":{"ok":true}}');
  put("steps.txt", "golden checkpoints\t1\nhashes of products\t0\nllama.cpp, 2b as q8_0\tleft out: there is none\n");
  const failed = { fullName: "golden one crop", status: "failed", failureMessages: ["it differs\nby much"] };
  put(
    "tests.json",
    JSON.stringify({ numPassedTests: 7, numFailedTests: 1, testResults: [{ assertionResults: [failed] }] }),
  );
  put("hashes.txt", hashes.replace(/^.*\n/, "Q8_0, 1 rows: 0\n"));
  put("bench-2b-q8_0.json", '{"tokens":1}');
  put("bench-2b-q4_k_m.json", "");
  put("torch-2b.jsonl", '{"version":"PyTorch"}\n{"work":"decode","best":1}\n');
  put("libraries.jsonl", '{"what":"cuBLASLt int8"}\n');
  const out = join(folder, "report.json");
  execFileSync("node", [join(root, "tools/bench/gpu_report.mjs"), parts, out, "NVIDIA H100\n", "c0ffee"]);
  expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({
    commit: "c0ffee",
    gpus: ["NVIDIA H100"],
    steps: {
      "golden checkpoints": "exit code 1",
      "hashes of products": "done",
      "llama.cpp, 2b as q8_0": "left out: there is none",
    },
    tests: { passed: 7, failed: 1, failures: [{ test: "golden one crop", message: "it differs" }] },
    hashes: { compared: 30, differ: [hashes.split("\n")[0]] },
    bench: [{ run: "2b-q8_0", tokens: 1 }],
    torch: [{ run: "2b", figures: [{ version: "PyTorch" }, { work: "decode", best: 1 }] }],
    llama: [],
    libraries: [{ what: "cuBLASLt int8" }],
  });
});

test("the scripts in Python compile", () => {
  for (const script of ["gpu_peers.py", "torch_peer.py"])
    execFileSync("/usr/bin/env", [
      ...["-i", `PATH=${process.env.PATH}`, "python3", "-c"],
      "import ast, sys; ast.parse(open(sys.argv[1]).read())",
      join(root, "tools/bench", script),
    ]);
});
