import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type BenchPart, benchParts, measureModel } from "../../bench/measure.js";
import { type BenchShape, benchShapes, writeRandomModel } from "../../bench/random-model.js";
import { onInterrupt } from "../../cleanup.js";
import { type FileType, fileTypeNames } from "../../gguf/file-types.js";
import { resolveModel } from "../../models/resolve.js";
import { deviceOption, integer, jsonOption, modelOption, precisionOption, threadsOption } from "../options.js";
import { createOutput } from "../output.js";

interface BenchFlags {
  model?: string;
  shape?: BenchShape;
  type: FileType;
  device: string;
  threads?: number;
  repeat: number;
  precision: "auto" | "fast" | "exact";
  only: BenchPart[];
  save?: string;
  json?: boolean;
}

export function addBenchCommand(program: Command): void {
  program
    .command("bench")
    .description("measure speed against this machine's limits")
    .addOption(modelOption())
    .addOption(
      new Option(
        "--shape <size>",
        "random weights of a published model's shape instead of a file (a temporary file as large; 2b's hyper layers are a guess)",
      )
        .choices(benchShapes)
        .conflicts("model"),
    )
    .addOption(new Option("-t, --type <type>", "type of the random weights").choices(fileTypeNames).default("q4_k_m"))
    .addOption(threadsOption())
    .addOption(deviceOption())
    .addOption(precisionOption())
    .addOption(new Option("--repeat <n>", "repeats of each measurement").argParser(integer(1, 100)).default(3))
    .addOption(
      new Option("--only <parts>", `some of ${benchParts.join(",")}`).argParser(parts).default(benchParts, "all"),
    )
    .addOption(new Option("--save <file>", "with --shape: keep the random model in this file"))
    .addOption(jsonOption())
    .action(bench);
}

function parts(text: string): BenchPart[] {
  const names = text.split(",");
  const wrong = names.find((name) => !benchParts.includes(name as BenchPart));
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${benchParts.join(", ")}.`);
  return names as BenchPart[];
}

async function bench(flags: BenchFlags): Promise<void> {
  const { reportLines } = await import("../../bench/report.js");
  const out = createOutput();
  const progress = out.progress("bench");
  const random = flags.shape && (flags.save ?? join(tmpdir(), `owl3-bench-${randomUUID()}.gguf`));
  const path = random ?? (await resolveModel(flags.model, { note: (line) => out.note(line) }));
  const release = onInterrupt(() => {
    for (const left of random ? [`${random}.partial`, ...(flags.save ? [] : [random])] : [])
      rmSync(left, { force: true });
  });
  const discard = async () => {
    if (random && !flags.save && process.platform !== "win32") await rm(random, { force: true }); // an open file stays readable on POSIX systems
  };
  try {
    if (random) {
      progress.update(`random ${flags.shape} model, ${flags.type}`);
      await writeRandomModel(random, flags.shape as BenchShape, flags.type);
    }
    const result = await measureModel(
      path,
      {
        device: flags.device,
        threads: flags.threads ?? 0,
        repeat: flags.repeat,
        precision: flags.precision,
        parts: flags.only,
        onStep: (text) => progress.update(text),
      },
      discard,
    );
    progress.stop();
    if (flags.json) out.json(result);
    else for (const line of reportLines(result)) out.line(line);
  } finally {
    progress.stop();
    if (random && !flags.save) await rm(random, { force: true });
    release();
  }
}
