import type { Command } from "commander";
import type { ChatFlags } from "../chat/flags.js";
import { addChatOptions } from "../chat/options.js";

/** The help is laid out by hand, so that it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 chat [options] [MEDIA...] ["a question"]

Ask about pictures and videos. On a terminal without a question: a conversation.
  -m, --model FILE      GGUF file or a model's name [$OWL3_MODEL, config file]
  -p, --prompt TEXT     the question (else the last argument, or piped text)
  --messages FILE|-     a conversation as JSON     --system TEXT  system message
  --session NAME  keep it and go on with it    -c, --continue  the last session
  --max-tokens N  (512)    --ctx N    --stop TEXT (again for more)    --beams N
Sampling (defaults come from the model file; --temp 0 is greedy):
  --temp X  --top-k N  --top-p X  --min-p X  --seed N  --repetition-penalty X
  --presence-penalty X  --frequency-penalty X
Pictures: --cut or --no-cut: several crops or one   --interleave for <|image|>
  --allow-special  special tokens in texts act as such     MEDIA -  from stdin
Videos: --fps X (1)  --max-frames N (16)  --start T  --end T (90 or 1:30)
  --frames 10,20,30    --decoder auto|builtin|system
Machine: --device NAMES   --threads N   --precision auto|fast|exact
  --kv-type f32|f16|q8_0  --no-cache  --no-repack-cache  --draft lookup
Output: -q, --quiet only the answer   --json one object   --logprobs K with it
  --dry-run prompt, ids, grids and memory, without running the model   --no-log
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
    .argument("[media...]", "pictures and videos; - is a picture from stdin");
  addChatOptions(command);
  command.action(async (args: string[], flags: ChatFlags) => {
    const { runChat } = await import("../chat/run.js");
    await runChat(args, flags);
  });
  command.helpInformation = () => help;
}
