import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { folder } from "../support/cli.js";
import { root } from "../support/files.js";
import { converter } from "../support/model.js";
import { Served } from "../support/serve.js";

// An installation of its own, where the plugin of the simulated CUDA stands under the name of the real one. What its driver plays is said by
// $OWL3_CUDA_SIM (test/native/cuda/sim_plugin).
const home = join(folder, "installation");
const release = join(home, "build/Release");
const plugin = join(release, "owl3-cuda.node");
const golden = converter("golden/model");
let model: string;

beforeAll(async () => {
  mkdirSync(release, { recursive: true });
  for (const name of ["dist", "bin", "package.json"]) cpSync(join(root, name), join(home, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
  copyFileSync(join(root, "build/Release/owl3.node"), join(release, "owl3.node"));
  copyFileSync(join(root, "build/Release/owl3-cuda-sim.node"), plugin);
  model = await golden("f32");
});

function installed(args: string[], play?: string) {
  const env = {
    ...process.env,
    ...{ HOME: folder, XDG_CONFIG_HOME: folder, OWL3_CACHE_DIR: join(folder, "cache") },
    ...(play !== undefined && { OWL3_CUDA_SIM: play }),
  };
  const done = spawnSync(process.execPath, [join(home, "bin/owl3.js"), ...args], { encoding: "utf8", input: "", env });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

describe("doctor says what was found, and why a device can't be used", () => {
  const checks = (play?: string) => JSON.parse(installed(["doctor", "--json"], play).out);
  test("a device, with its memory", () => {
    expect(checks("memory=2000000000,devices=2")).toMatchObject({
      "device cuda:0": { ok: true, value: "simulated GPU, 2.0 GB of 2.0 GB of memory free" },
      "device cuda:1": { ok: true },
    });
  });
  test.each([
    ["no driver", "library=0", "no NVIDIA driver is installed: libcuda.so.1 was not found."],
    [
      "an old driver",
      "version=12040",
      "the NVIDIA driver is too old: it knows CUDA 12.4, and CUDA 13.0 is needed; install a newer driver.",
    ],
    ["no device", "devices=0", "the NVIDIA driver finds no device."],
  ])("%s", (_, play, reason) => {
    expect(checks(play)["device cuda"]).toEqual({ ok: false, value: reason });
    const asked = installed(["chat", "-m", model, "-p", "x", "--device", "cuda"], play);
    expect(asked).toEqual({ code: 1, out: "", err: expect.stringContaining(reason.slice(0, 30)) });
  });
  test("a device that is too old", () => {
    expect(checks("capability=61")["device cuda:0"].value).toMatch(/^it is of compute capability 6\.1, and 7\.5/);
  });
  test("a plugin of another version", () => {
    expect(checks("abi=0")["device cuda"]).toEqual({
      ok: false,
      value: expect.stringMatching(/owl3-cuda\.node was built for another version of owl3\.$/),
    });
  });
});

describe("where a model's layers stand", () => {
  const ask = (more: string[], play?: string) =>
    installed(["chat", "-m", model, "-p", "Hello", "--temp", "0", "--max-tokens", "2", ...more], play);
  const backend = (more: string[], play?: string): string => JSON.parse(ask(["--json", ...more], play).out).backend;

  test("auto is the GPU, and without one the CPU, without a word", { timeout: 120_000 }, () => {
    expect(backend([])).toBe("cuda:0 (simulated GPU)");
    for (const play of ["library=0", "version=12040", "devices=0", "capability=61", "abi=0"]) {
      const asked = ask(["--json", "--dry-run"], play);
      expect([asked.code, asked.err]).toEqual([0, ""]);
      expect(JSON.parse(asked.out).memory.devices).toBeUndefined();
    }
    expect(backend(["--gpu-layers", "0"])).toMatch(/^cpu/);
  });
  test("layers are shared among devices, and the CPU has what they leave; the plan is told", {
    timeout: 120_000,
  }, () => {
    const plan = (more: string[], play?: string) =>
      JSON.parse(ask(["--dry-run", "--json", ...more], play).out).memory.devices.map(
        (part: { device: string; layers: number }) => [part.device, part.layers],
      );
    expect(plan(["-ngl", "3"])).toEqual([
      ["cuda:0", 3],
      ["cpu", 3],
    ]);
    expect(plan(["--device", "cuda:0,cuda:1"], "devices=2")).toEqual([
      ["cuda:0", 3],
      ["cuda:1", 3],
      ["cpu", 0],
    ]);
    expect(plan(["--device", "cuda:1"], "devices=2")).toEqual([
      ["cuda:1", 6],
      ["cpu", 0],
    ]);
    const split = ask(["--device", "cpu,cuda", "--gpu-layers", "2"]);
    expect(split.err).toMatch(
      /^4 of 6 layers on cpu \(.+\) with [\d.]+ .B, 2 on cuda:0 \(simulated GPU\) with [\d.]+ .B\n/,
    );
    expect(split.out).toBe(ask(["--device", "cpu"]).out);
  });
  test("where memory is short, auto takes the CPU along, and a demand says what would fit", {
    timeout: 120_000,
  }, () => {
    const [, megabytes] = /^6 of 6 layers on .* with ([\d.]+) MB/.exec(ask([]).err) ?? [];
    const short = `memory=${Math.floor(Number(megabytes) * 0.93e6)}`;
    expect(backend([], short)).toMatch(/^cuda:0 \(simulated GPU\) \+ cpu/);
    const demanded = ask(["--device", "cuda"], short);
    expect(demanded.code).toBe(5);
    expect(demanded.err).toMatch(
      /cuda:0 \(simulated GPU\) has [\d.]+ .B free and would need [\d.]+ .B: [3-5] of the model's 6 layers would fit, with the others on the cpu/,
    );
  });
  test("auto passes over a device that can't be used after all, and a demand says why", { timeout: 120_000 }, () => {
    for (const [play, reason] of [
      ["fits=0", "can't load the kernels"],
      ["allocation_fails=0", "of memory free"],
    ] as const) {
      expect(backend([], play)).toMatch(/^cpu/);
      const demanded = ask(["--device", "cuda"], play);
      expect(demanded.code).not.toBe(0);
      expect(demanded.err).toContain(reason);
    }
  });
  test("a device that is named twice is refused", () => {
    const twice = ask(["--device", "cuda,cuda:0"]);
    expect(twice.code).not.toBe(0);
    expect(twice.err).toContain("the devices 'cuda,cuda:0' name cuda:0 twice; name each device once.");
  });
  test("a device that is lost while it answers: one sentence, and the CPU still answers", { timeout: 120_000 }, () => {
    const lost = ask([], "kernel_fails=200");
    expect(lost.code).toBe(1);
    expect(lost.err).toContain("the device cuda:0 (simulated GPU) was lost: an illegal memory access was encountered.");
    expect(lost.err).not.toContain("    at ");
    expect(ask(["--device", "cpu"], "kernel_fails=200").code).toBe(0);
  });
});

test("the demo model answers a question about a picture on the device", { timeout: 120_000 }, () => {
  const demo = ["chat", "-m", join(root, "models/owl3-demo.gguf"), "--device", "cuda", "--temp", "0", "-q"];
  const asked = installed([...demo, join(root, "examples/print.png"), "Where is the triangle?"]);
  expect(asked).toEqual({ code: 0, out: "At the top right.\n", err: "" });
});

test("a server whose device is lost says so, and starts its engine again", { timeout: 120_000 }, async () => {
  const served = await Served.start(["--device", "cuda-sim"], { OWL3_CUDA_SIM: "kernel_fails=1000" });
  const engine = served.enginePid;
  const body = { messages: [{ role: "user", content: "Go on." }], temperature: 100, max_tokens: 2000 };
  const lost = await served.post("/v1/chat/completions", body);
  expect(lost.status).toBe(500);
  expect(await lost.text()).toContain("the device cuda-sim:0 (simulated GPU) was lost");
  await served.until(
    async () =>
      (await served.metric("owl3:engine_restarts_total")) === 1 && (await served.metric("owl3:engine_up")) === 1,
  );
  expect(served.enginePid).not.toBe(engine);
});

test("a plugin is taken from beside the addon only", () => {
  rmSync(plugin);
  const elsewhere = spawnSync(process.execPath, [join(home, "bin/owl3.js"), "doctor", "--json"], {
    encoding: "utf8",
    cwd: join(root, "build/Release"),
    env: { ...process.env, LD_LIBRARY_PATH: join(root, "build/Release") },
  });
  expect(JSON.parse(elsewhere.stdout)["device cuda"].value).toBe("its plugin owl3-cuda.node is not installed.");
  expect(readFileSync(join(root, "build/Release/owl3-cuda-sim.node")).length).toBeGreaterThan(0);
});
