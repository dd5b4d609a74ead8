import { type Command, Option } from "commander";
import { sidecarKinds } from "../../batch/sidecar.js";
import type { BatchFlags } from "../batch/flags.js";
import { addAnswerOptions, addMediaOptions, addModelOptions, addPromptOptions } from "../chat/options.js";
import { quietOption } from "../options.js";
import { addRowOptions } from "../row-options.js";

/** The help is laid out by hand, so that it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 batch [options] [INPUT...]

Ask a question about each of many pictures, clips or rows; a run resumes.
  INPUT: pictures, clips, folders, patterns, FILE.jsonl, FILE.csv, or - (stdin)
  -p, --prompt TEXT     the question of all rows; {column} is a value of the row
  --input names|jsonl|csv|tsv  form of the rows   -0, --null  names end with NUL
  --map FIELD=COLUMN    where image, video, prompt, id .. are (again for more)
  --media-root DIR      folder of the rows' files; nothing outside is opened
  -o, --out FILE        results, which the same command goes on with (or stdout)
  --format openai       lines of OpenAI's batch format in and out   --jsonl
  --sidecar .txt|.json|.xmp  a file beside each picture   --ordered  input order
  --concurrency N (8)  rows that share passes   --no-schema-prompt
  --retry-errors  ask failed rows again     --max-errors N  stop after N
  --shard I/N  every Nth row, from 0..N-1   --merge  put shards of -o together
  --stdin  answer JSON rows as they come    --relay  let others answer (Ray)
Answers: --system TEXT  --max-tokens N (512)  --temp X  --top-k N  --top-p X
  --min-p X  --seed N  --stop TEXT  --beams N  --logprobs K  --draft lookup
  --repetition-penalty X  --presence-penalty X  --frequency-penalty X
  --schema FILE|JSON  --choice TEXT  --regex P  --json-object  --schema-lax
Media: --cut|--no-cut  --interleave  --allow-special  --fps X  --max-frames N
  --start T  --end T  --frames LIST  --decoder auto|builtin|system
Machine: -m, --model FILE  --device NAMES  --gpu-layers N  --threads N  --ctx N
  --precision P  --kv-type TYPE  --no-cache  --no-repack-cache  -q, --quiet
  find . -name '*.jpg' | owl3 batch -p "One-line caption" --jsonl > out.jsonl
`;

export function addBatchCommand(program: Command): void {
  const command = program
    .command("batch")
    .description("ask about each of many pictures, clips or rows")
    .usage("[options] [INPUT...]")
    .argument("[inputs...]", "pictures, clips, folders, patterns, JSONL and CSV files; - is stdin");
  addModelOptions(command);
  addPromptOptions(command);
  addAnswerOptions(command);
  addMediaOptions(command);
  addRowOptions(command, "ask", ["relayed"])
    .option("--stdin", "answer JSON rows on stdin as they come, until it ends")
    .option("--jsonl", "print results as JSON lines, also beside sidecars")
    .addOption(new Option("--format <name>", "format of rows and results").choices(["rows", "openai"]).default("rows"))
    .addOption(new Option("--sidecar <ending>", "write a file beside each picture").choices(sidecarKinds))
    .option("--ordered", "results in the order of the rows")
    .option("--merge", "put the results of shards together")
    .option("--relay", "print the rows for another program, and read their results from stdin")
    .addOption(quietOption())
    .action(async (inputs: string[], flags: BatchFlags) => {
      const { runBatch } = await import("../batch/run.js");
      await runBatch(inputs, flags);
    });
  command.helpInformation = () => help;
}
