import { type Command, Option } from "commander";
import { addModelOptions } from "../chat/options.js";
import { collect, decoderOption, integer, number } from "../options.js";
import type { ServeFlags } from "../serve/flags.js";

/** The help is laid out by hand, so that it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 serve [options]

Answer over HTTP, in OpenAI's and Ollama's ways (docs/server.md).
  -m, --model FILE      GGUF file or a model's name [$OWL3_MODEL, config file]
  --host ADDRESS (127.0.0.1)  --port N (8080)     --alias NAME  also its name
  --parallel N (4)      answers at a time         --queue N (64)  may wait
  --ctx N               positions of a prompt and its answer at most
Who may ask (all but /health need a key of the file or of $OWL3_API_KEY):
  --api-key-file FILE   a key a line; clients with different keys share nothing
  --allow-host NAME     another name of this server     --cors ORIGIN  a page's
What may be opened (else only pictures and clips within the request):
  --allow-urls          addresses on the public internet
  --media-root DIR      file: URLs below this folder
Limits: --max-body MB (64)   --max-pictures N (256)   --max-frames N (128)
  --max-pixels MP (64)  --max-tokens N (4096)  --timeout S (600)
  --queue-timeout S (600)  --drain S (30)  for running answers when it ends
Machine: --device NAMES  --gpu-layers N  --threads N  --precision P
  --kv-type f32|f16|q8_0  --decoder auto|builtin|system
  --no-cache  --no-repack-cache  -q, --quiet  no line for each request
Examples:
  owl3 serve -m 2b
  OWL3_API_KEY=secret owl3 serve -m 7b --host 0.0.0.0 --allow-host owl.lan
`;

export function addServeCommand(program: Command): void {
  const command = program.command("serve").description("answer over HTTP, for OpenAI's and Ollama's clients");
  addModelOptions(command)
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .addOption(new Option("--port <n>", "port; 0 is any").argParser(integer(0, 65535)).default(8080))
    .addOption(new Option("--parallel <n>", "answers at a time").argParser(integer(1, 64)).default(4))
    .addOption(new Option("--queue <n>", "requests that may wait").argParser(integer(0, 100_000)).default(64))
    .addOption(new Option("--queue-timeout <s>", "seconds to wait").argParser(number(1, 86_400)).default(600))
    .addOption(new Option("--timeout <s>", "seconds that a request may run").argParser(number(1, 86_400)).default(600))
    .addOption(new Option("--drain <s>", "seconds for running answers").argParser(number(0, 86_400)).default(30))
    .addOption(new Option("--alias <name>", "another name of the model").argParser(collect))
    .option("--api-key-file <file>", "keys, one a line")
    .addOption(new Option("--allow-host <name>", "another name of this server").argParser(collect))
    .addOption(new Option("--cors <origin>", "a web page that may ask").argParser(collect))
    .option("--allow-urls", "fetch pictures from the public internet")
    .option("--media-root <dir>", "folder of file: URLs")
    .addOption(new Option("--max-body <mb>", "megabytes of a request").argParser(number(0.001, 4096)).default(64))
    .addOption(new Option("--max-pictures <n>", "pictures of a request").argParser(integer(1, 4096)).default(256))
    .addOption(new Option("--max-frames <n>", "frames of a video").argParser(integer(1, 4096)).default(128))
    .addOption(new Option("--max-pixels <mp>", "megapixels of a picture").argParser(number(0.001, 100)).default(64))
    .addOption(new Option("--max-tokens <n>", "tokens of an answer").argParser(integer(1, 1 << 24)).default(4096))
    .addOption(decoderOption())
    .option("-q, --quiet", "no line for each request")
    .action(async (flags: ServeFlags) => {
      const { runServe } = await import("../serve/run.js");
      await runServe(flags);
    });
  command.helpInformation = () => help;
}
