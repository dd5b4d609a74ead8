import { type Command, Option } from "commander";
import { UsageError } from "../../errors.js";
import type { ChatFlags } from "../chat/flags.js";
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

/** Laid out by hand, so that all of it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 chat [options] [MEDIA...] ["a question"]

Ask about pictures and videos. On a terminal without a question: a conversation.
  -m, --model FILE      GGUF file or a model's name [$OWL3_MODEL, config file]
  -p, --prompt TEXT     the question (else the last argument, or piped text)
  --messages FILE|-     a conversation as JSON     --system TEXT  system message
  --max-tokens N  (512)    --ctx N    --stop TEXT (again for more)    --beams N
Drawing (from the model file where not given; --temp 0 is greedy):
  --temp X  --top-k N  --top-p X  --min-p X  --seed N  --repetition-penalty X
  --presence-penalty X  --frequency-penalty X
Pictures: --no-cut whole, in one crop   --interleave where <|image|> stands
  --allow-special  turn markers in texts act as such       MEDIA -  from stdin
Machine: --device auto|cpu   --threads N   --precision auto|fast|exact
Output: -q, --quiet only the answer   --json one object   --logprobs K with it
  --dry-run prompt, ids, grids and memory, without running the model
  --dump FILE.safetensors  pixel_values, image_embeds and logits of the prompt
Examples:
  owl3 chat photo.jpg "What does the sign say?"
  owl3 chat before.png after.png -p "What changed?" --json
  curl -s https://example.org/a.jpg | owl3 chat - "Describe this." --temp 0
`;

export function addChatCommand(program: Command): void {
  const command = program
    .command("chat")
    .description("ask about pictures and videos, or talk about them")
    .usage('[options] [MEDIA...] ["a question"]')
    .argument("[media...]", "pictures and videos; - is a picture from stdin")
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
    .action(async (args: string[], flags: ChatFlags) => {
      if (flags.prompt === "") throw new UsageError("the prompt is empty.");
      const { runChat } = await import("../chat/run.js");
      await runChat(args, flags);
    });
  command.helpInformation = () => help;
}
