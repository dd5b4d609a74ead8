import { type Command, InvalidArgumentError, Option } from "commander";
import { parseTime } from "../../media/video/sampling.js";
import {
  alsoNamed,
  collect,
  decoderOption,
  deviceOption,
  gpuLayersOption,
  integer,
  jsonOption,
  kvTypeOption,
  modelOption,
  number,
  precisionOption,
  previewOptions,
  quietOption,
  threadsOption,
} from "../options.js";

/** Adds the options that `owl3 chat` and `owl3 video` share (ChatFlags). */
export function addChatOptions(command: Command): Command {
  addModelOptions(command);
  addPromptOptions(command);
  addAnswerOptions(command);
  addMediaOptions(command);
  const [preview, noPreview] = previewOptions() as [Option, Option];
  return command
    .option("--messages <file>", "a conversation as JSON; - is stdin")
    .option("--server <url>", "ask a running owl3 serve; $OWL3_API_KEY is sent there")
    .option("--session <name>", "keep the conversation under this name, and go on with it")
    .option("-c, --continue", "go on with the last session")
    .option("--no-log", "log nothing of this call, also while `owl3 logs on` holds")
    .addOption(
      alsoNamed(
        new Option("--image <file>", "a picture; after the videos (may be repeated)"),
        "-a",
        "--attachment",
      ).argParser(collect),
    )
    .option("--clipboard", "the picture of the clipboard; after the others")
    .addOption(preview)
    .addOption(noPreview)
    .option("-r, --recursive", "look into subfolders of folders")
    .option("--dry-run", "print prompt, ids, grids and memory without running the model")
    .option("--dump <file>", "write pixel_values, image_embeds and logits")
    .addOption(quietOption())
    .addOption(jsonOption());
}

/** Adds the options of the model and the machine (ModelFlags). */
export function addModelOptions(command: Command): Command {
  return command
    .addOption(modelOption())
    .addOption(
      alsoNamed(
        new Option("--ctx <n>", "context length: positions of prompt and answers").argParser(integer(16, 1 << 24)),
        "--ctx-size",
        "--num-ctx",
      ),
    )
    .addOption(alsoNamed(threadsOption(), "-t"))
    .addOption(deviceOption())
    .addOption(gpuLayersOption())
    .addOption(precisionOption())
    .addOption(kvTypeOption())
    .option("--no-cache", "neither read nor write the cache of embeddings")
    .option("--no-repack-cache", "neither read nor keep repacked weights");
}

/** Adds the options of the question (PromptFlags). */
export function addPromptOptions(command: Command): Command {
  return command
    .option("-p, --prompt <text>", "the question")
    .option("--system <text>", "the system message")
    .option("--interleave", "pictures replace <|image|> in the prompt")
    .option("--allow-special", "special tokens in texts act as such");
}

/** Adds the options of an answer (AnswerFlags). */
export function addAnswerOptions(command: Command): Command {
  return command
    .addOption(
      alsoNamed(
        new Option("--max-tokens <n>", "maximum tokens of the answer").argParser(integer(1, 1 << 24)).default(512),
        "-n",
        "--n-predict",
        "--predict",
      ),
    )
    .addOption(
      alsoNamed(new Option("--temp <x>", "temperature; 0 is greedy").argParser(number(0, 100)), "--temperature"),
    )
    .addOption(
      new Option("--top-k <n>", "sample from the n most probable tokens; 0: from all").argParser(integer(0, 1 << 24)),
    )
    .addOption(
      new Option("--top-p <x>", "nucleus sampling: keep the smallest set with probability x").argParser(number(0, 1)),
    )
    .addOption(
      new Option("--min-p <x>", "keep tokens at least x times as probable as the most probable").argParser(
        number(0, 1),
      ),
    )
    .addOption(
      alsoNamed(new Option("--repetition-penalty <x>", "1 is off").argParser(number(0.01, 100)), "--repeat-penalty"),
    )
    .addOption(new Option("--presence-penalty <x>", "0 is off").argParser(number(-100, 100)))
    .addOption(new Option("--frequency-penalty <x>", "0 is off").argParser(number(-100, 100)))
    .addOption(
      new Option("--seed <n>", "seed of sampling: the same seed gives the same answer").argParser(
        integer(0, 0xffff_ffff),
      ),
    )
    .addOption(
      new Option(
        "--draft <how>",
        "speculative decoding by prompt lookup (same output, faster on repetitive text)",
      ).choices(["lookup"]),
    )
    .addOption(new Option("--beams <n>", "beam search with n beams instead of sampling").argParser(integer(1, 64)))
    .addOption(new Option("--stop <text>", "text that ends the answer").argParser(collect))
    .option("--schema <json>", "JSON answers under a JSON Schema: a file, JSON, or 'name, age int, tags'; - is stdin")
    .option("--schema-lax", "pass over keywords and formats of the schema that are unknown")
    .option("--no-schema-prompt", "do not tell the model of the schema")
    .addOption(new Option("--choice <text>", "a possible answer (again for more)").argParser(collect))
    .option("--regex <p>", "answers that match a regular expression as a whole")
    .option("--json-object", "answers that are a JSON object")
    .addOption(
      new Option("--logprobs <k>", "with --json: print the k most probable tokens at each place").argParser(
        integer(0, 100),
      ),
    );
}

/** Adds the options of pictures and videos (MediaFlags). */
export function addMediaOptions(command: Command): Command {
  return command
    .option("--cut", "cut every picture into crops")
    .option("--no-cut", "show each picture as one crop")
    .addOption(new Option("--fps <x>", "sampling rate of videos in frames a second (1)").argParser(number(1e-6, 1e6)))
    .addOption(new Option("--max-frames <n>", "maximum frames of a video (16)").argParser(integer(1, 4096)))
    .addOption(new Option("--start <time>", "start of the part to look at: seconds or mm:ss").argParser(time))
    .addOption(new Option("--end <time>", "end of the part to look at").argParser(time))
    .addOption(new Option("--frames <list>", "exactly these frames, counted from 0").argParser(frameList))
    .addOption(decoderOption());
}

export function time(text: string): number {
  const seconds = parseTime(text);
  if (Number.isNaN(seconds)) throw new InvalidArgumentError("Expected seconds or mm:ss, such as 90 or 1:30.");
  return seconds;
}

function frameList(text: string): number[] {
  const one = integer(0);
  return text.split(",").map((part) => one(part.trim()));
}
