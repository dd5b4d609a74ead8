import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { promisify } from "node:util";
import type { Command } from "commander";
import { formatBytes } from "../../format.js";
import { modelFolder } from "../../models/folder.js";
import { listModels } from "../../models/list.js";
import type { AddonFile } from "../../native/addon-file.js";
import type { DeviceInfo } from "../../native/binding.js";
import { packageVersion } from "../../version.js";
import { jsonOption } from "../options.js";
import { createOutput } from "../output.js";

interface Check {
  name: string;
  ok: boolean;
  value: string;
}

export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("show what this machine and this installation can do")
    .addOption(jsonOption())
    .action(doctor);
}

async function doctor(flags: { json?: boolean }): Promise<void> {
  const out = createOutput();
  const checks = [owl3(), host(), ...(await engine()), ...(await decoders()), await models()];
  if (flags.json) {
    out.json(Object.fromEntries(checks.map(({ name, ok, value }) => [name, { ok, value }])));
    return;
  }
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, ok, value } of checks) out.line(`${ok ? "ok" : "--"}  ${name.padEnd(width)}  ${value}`);
}

const owl3 = (): Check => ({ name: "owl3", ok: true, value: packageVersion() });

function host(): Check {
  const cpu = cpus()[0]?.model.trim() ?? "unknown processor";
  return { name: "machine", ok: true, value: `${cpu}, ${platform()} ${arch()}, Node ${process.versions.node}` };
}

/** Checks that the addon loads, and reports what it knows of the machine. */
async function engine(): Promise<Check[]> {
  try {
    const { addonFile, native } = await import("../../native/native.js");
    const info = native().systemInfo();
    const { path, package: name } = addonFile() as AddonFile;
    const origin = name ?? `built here ${statSync(path).mtime.toISOString().slice(0, 10)}`;
    return [
      { name: "engine", ok: true, value: `native addon loads (${origin})` },
      { name: "instructions", ok: true, value: `${info.isa} in use of ${info.available.join(", ")}` },
      { name: "cores", ok: true, value: `${info.physicalCores} physical` },
      ...info.devices.map(device),
      { name: "memory", ok: true, value: `${(info.totalMemory / 2 ** 30).toFixed(1)} GiB` },
    ];
  } catch (error) {
    return [{ name: "engine", ok: false, value: (error as Error).message }];
  }
}

/** Reports a device that work can be put on, or why it can't. */
function device({ id, name, usable, reason, totalMemory, freeMemory }: DeviceInfo): Check {
  const memory = freeMemory > 0 ? `, ${formatBytes(freeMemory)} of ${formatBytes(totalMemory)} of memory free` : "";
  return { name: `device ${id}`, ok: usable, value: usable ? name + memory : reason };
}

/** Reports the model folder. */
async function models(): Promise<Check> {
  const folder = modelFolder();
  const found = (await listModels(folder)).filter(({ partial }) => !partial).length;
  return { name: "models", ok: true, value: `${folder}: ${found === 0 ? "none yet" : found}` };
}

/** Checks the decoders: sharp for pictures, and for clips FFmpeg, that of the system or the optional package. */
async function decoders(): Promise<Check[]> {
  const run = promisify(execFile);
  const version = async (tool: string): Promise<string | undefined> => {
    try {
      return (await run(tool, ["-version"], { timeout: 5000 })).stdout.split(/\s+/)[2];
    } catch {
      return undefined;
    }
  };
  const sharp = await import("sharp").then(
    ({ default: s }) => `sharp ${s.versions.sharp ?? ""}, libvips ${s.versions.vips}`,
    () => undefined,
  );
  const ffmpeg = (await version("ffprobe")) && (await version("ffmpeg"));
  const builtIn = (await import("../../media/video/builtin.js")).builtinCore() !== null;
  const video = [ffmpeg ? `ffmpeg ${ffmpeg}` : "", builtIn ? "built-in decoder (@ffmpeg/core)" : ""].filter(Boolean);
  return [
    { name: "pictures", ok: sharp !== undefined, value: sharp ?? "sharp can't be loaded: run npm ci again" },
    {
      name: "clips",
      ok: video.length > 0,
      value: video.join(", ") || "no decoder: install ffmpeg, or npm install @ffmpeg/core",
    },
  ];
}
