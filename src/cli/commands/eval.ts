import { type Command, Option } from "commander";
import type { EvalFlags } from "../eval/flags.js";
import {
  decoderOption,
  deviceOption,
  integer,
  jsonOption,
  kvTypeOption,
  modelOption,
  precisionOption,
  quietOption,
  threadsOption,
} from "../options.js";

/** A test compares it with the formats that there are. */
const formatHelp = `Formats (EVAL.md says what each reads and how it scores):
  pictures: vqa gqa pope mmbench ai2d nlvr2 qbench2 mantis blink interleave
  videos: nextqa mvbench videomme longvideobench mlvu    your own: jsonl`;

export function addEvalCommand(program: Command): void {
  program
    .command("eval")
    .description("score a model on a benchmark whose data you have")
    .argument("<data...>", "the benchmark's data files: JSON, JSONL, CSV, TSV or Parquet")
    .requiredOption("-f, --format <name>", "which benchmark it is (listed below)")
    .addOption(modelOption())
    .addOption(
      new Option("--score <how>", "letter: by the answer, as published; logprob: by the likeliest option")
        .choices(["letter", "logprob"])
        .default("letter"),
    )
    .option(
      "--media-root <dir>",
      "folder of pictures and videos, outside of which none is opened (default: the data's)",
    )
    .option("-o, --out <file>", "results, a line a question; a run goes on with it (default: DATA.eval.jsonl here)")
    .addOption(new Option("--limit <n>", "ask the first n questions only").argParser(integer(1)))
    .addOption(new Option("--shuffle <seed>", "ask in an order drawn by this seed").argParser(integer(0, 0xffff_ffff)))
    .addOption(new Option("--frames <n>", "frames of a video (default: as published)").argParser(integer(1, 4096)))
    .addOption(
      new Option("--max-tokens <n>", "maximum tokens of an answer").argParser(integer(1, 1 << 24)).default(100),
    )
    .addOption(new Option("--concurrency <n>", "questions at the same time").argParser(integer(1, 256)).default(1))
    .addOption(new Option("--max-errors <n>", "stop after n questions that failed").argParser(integer(1)))
    .addOption(threadsOption())
    .addOption(deviceOption())
    .addOption(precisionOption())
    .addOption(kvTypeOption())
    .addOption(decoderOption())
    .option("--no-cache", "neither read nor write the cache of embeddings")
    .addOption(quietOption())
    .addOption(jsonOption())
    .addHelpText("after", `\n${formatHelp}`)
    .action(async (data: string[], flags: EvalFlags) => {
      const { runEval } = await import("../eval/run.js");
      await runEval(data, flags);
    });
}
