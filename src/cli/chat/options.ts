import { type Command, InvalidArgumentError, Option } from "commander";
import { parseTime } from "../../media/video/sampling.js";
import {
  collect,
  deviceOption,
  integer,
  jsonOption,
  modelOption,
  number,
  precisionOption,
  quietOption,
  threadsOption,
} from "../options.js";

/** What `owl3 chat` and `owl3 video` have in common (ChatFlags). */
export function addChatOptions(command: Command): Command {
  return command
    .addOption(modelOption())
    .option("-p, --prompt <text>", "the question")
    .option("--system <text>", "the system message")
    .option("--messages <file>", "a conversation as JSON; - is stdin")
    .addOption(new Option("--max-tokens <n>", "longest answer").argParser(integer(1, 1 << 24)).default(512))
    .addOption(new Option("--temp <x>", "temperature; 0 is greedy").argParser(number(0, 100)))
    .addOption(new Option("--top-k <n>", "draw from the n likeliest; 0: all").argParser(integer(0, 1 << 24)))
    .addOption(new Option("--top-p <x>", "draw from the likeliest that make up x").argParser(number(0, 1)))
    .addOption(new Option("--min-p <x>", "draw from those x times as likely as the first").argParser(number(0, 1)))
    .addOption(new Option("--repetition-penalty <x>", "1 is off").argParser(number(0.01, 100)))
    .addOption(new Option("--presence-penalty <x>", "0 is off").argParser(number(-100, 100)))
    .addOption(new Option("--frequency-penalty <x>", "0 is off").argParser(number(-100, 100)))
    .addOption(new Option("--seed <n>", "same seed, same answer").argParser(integer(0, 0xffff_ffff)))
    .addOption(new Option("--draft <how>", "guess from what was said before: same answer, sooner").choices(["lookup"]))
    .addOption(new Option("--beams <n>", "beam search instead of drawing").argParser(integer(1, 64)))
    .addOption(new Option("--stop <text>", "text that ends the answer").argParser(collect))
    .addOption(new Option("--ctx <n>", "positions of prompt and answers").argParser(integer(16, 1 << 24)))
    .addOption(threadsOption())
    .addOption(deviceOption())
    .addOption(precisionOption())
    .option("--no-cut", "pictures whole, in one crop")
    .option("--interleave", "pictures go where the prompt says <|image|>")
    .option("--allow-special", "turn markers in texts act as such")
    .addOption(new Option("--logprobs <k>", "with --json: the k likeliest tokens").argParser(integer(0, 100)))
    .option("--dry-run", "show prompt, ids, grids and memory; don't run the model")
    .option("--dump <file>", "write pixel_values, image_embeds and logits")
    .addOption(quietOption())
    .addOption(jsonOption())
    .addOption(new Option("--fps <x>", "frames of a video a second (1)").argParser(number(1e-6, 1e6)))
    .addOption(new Option("--max-frames <n>", "at most so many frames of a video (16)").argParser(integer(1, 4096)))
    .addOption(new Option("--start <time>", "look from here: seconds or mm:ss").argParser(time))
    .addOption(new Option("--end <time>", "look up to here").argParser(time))
    .addOption(new Option("--frames <list>", "exactly these frames, counted from 0").argParser(frameList))
    .addOption(new Option("--decoder <name>", "what decodes videos").choices(["auto", "builtin", "system"]))
    .addOption(new Option("--kv-type <type>", "how keys and values are kept").choices(["f32", "f16", "q8_0"]))
    .option("--no-cache", "look at every picture again, keep nothing on disk");
}

function time(text: string): number {
  const seconds = parseTime(text);
  if (Number.isNaN(seconds)) throw new InvalidArgumentError("Expected seconds or mm:ss, such as 90 or 1:30.");
  return seconds;
}

function frameList(text: string): number[] {
  const one = integer(0);
  return text.split(",").map((part) => one(part.trim()));
}
