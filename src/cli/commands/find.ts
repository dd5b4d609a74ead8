import { type Command, Option } from "commander";
import { addModelOptions, time } from "../chat/options.js";
import type { FindFlags } from "../find/flags.js";
import { decoderOption, integer, jsonOption, number, quietOption } from "../options.js";

/** The help is laid out by hand, so that it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 find [options] MEDIA... TEXT

Find the pictures that show something, and the times at which clips do.
  --threshold P   how probable it must be, from 0 to 1 (0.5)
  --top N         only the N most probable pictures and windows, whatever P
  --question TEXT  asked of each, with {} for what to find ("Do you see {}?")
  -m, --model FILE      GGUF file or a model's name [$OWL3_MODEL, config file]
Clips are looked at a window at a time, which is shown as a short video:
  --window S (2)  seconds of a window    --frames N (2)  frames it shows
  --stride S      seconds between the starts of windows (their length)
  --start T  --end T (90 or 1:30)        --decoder auto|builtin|system
Pictures: --cut or --no-cut: several crops or one
Machine: --device NAMES  --gpu-layers N  --threads N  --precision P  --ctx N
  --kv-type f32|f16|q8_0  --no-cache  --no-repack-cache
Output: probability, time, path   --json one object, with every window
  -q, --quiet  only paths and times
Examples:
  owl3 find film.mp4 "a red car"
  owl3 find 'photos/*.jpg' "a dog on a sofa" --top 3
  owl3 find goal.mp4 "a player who scores" --window 4 --frames 8 --stride 2
`;

export function addFindCommand(program: Command): void {
  const command = program
    .command("find")
    .description("find pictures, or times in clips, that show something")
    .usage("[options] MEDIA... TEXT")
    .argument("[media...]", "pictures and clips; - is one from stdin; the last argument is what to find")
    .addOption(new Option("--threshold <p>", "how probable it must be (0.5)").argParser(number(0, 1)))
    .addOption(new Option("--top <n>", "only the n most probable pictures and windows").argParser(integer(1)))
    .option("--question <text>", "the question, with {} for what to find")
    .addOption(new Option("--window <s>", "seconds of a window (2)").argParser(number(0.001)))
    .addOption(new Option("--stride <s>", "seconds between the starts of windows").argParser(number(0.001)))
    .addOption(new Option("--frames <n>", "frames that a window shows (2)").argParser(integer(1, 4096)))
    .addOption(new Option("--start <time>", "start of the part to look at: seconds or mm:ss").argParser(time))
    .addOption(new Option("--end <time>", "end of the part to look at").argParser(time))
    .addOption(decoderOption())
    .option("--cut", "cut every picture into crops")
    .option("--no-cut", "show each picture as one crop");
  addModelOptions(command)
    .addOption(quietOption())
    .addOption(jsonOption())
    .action(async (args: string[], flags: FindFlags) => {
      const { runFind } = await import("../find/run.js");
      await runFind(args, flags);
    });
  command.helpInformation = () => help;
}
