import type { Command } from "commander";
import { addMediaOptions, addModelOptions, addPromptOptions } from "../chat/options.js";
import { collect, jsonOption, quietOption } from "../options.js";
import { addRowOptions } from "../row-options.js";
import type { ScoreFlags } from "../score/flags.js";

/** The help is laid out by hand, so that it fits a terminal of 24 lines; a test compares it with the options. */
const help = `Usage: owl3 score [options] [MEDIA...] ["a question"]

Tell how probable given answers to a question about pictures and videos are.
  -p, --prompt TEXT     the question (else the last argument)
  -c, --candidate TEXT  an answer (again for more)
  --candidates FILE|-   answers, one a line
  --letters  show answers with letters and score these  --whole  with their end
  --yes-no      score yes and no instead, summed over their spellings
  --shows TEXT  likewise: is TEXT to be seen (VQAScore)?   --question "..{}..?"
Rows: --each  each picture, clip, row of JSONL or CSV by itself; JSON lines out
  -o, --out FILE  a run goes on with it  --csv  a table  --concurrency N (8)
  --input names|jsonl|csv|tsv  -0, --null  --map FIELD=COLUMN  --media-root DIR
  --retry-errors  --max-errors N  --shard I/N
Media: --cut|--no-cut  --interleave  --allow-special  --fps X  --max-frames N
  --start T  --end T  --frames LIST  --decoder auto|builtin|system
Machine: -m, --model FILE  --device NAMES  --gpu-layers N  --threads N  --ctx N
  --precision P  --kv-type TYPE  --no-cache  --no-repack-cache  --system TEXT
Output: a table, the likeliest answer first   --json one object, with tokens
  -q, --quiet  only the likeliest answer, or the probability of yes
Examples:
  owl3 score photo.jpg -p "Which animal is it?" -c cat -c dog
  owl3 score photo.jpg --shows "a dog on a sofa"
  owl3 score --each photos/ -p "Which animal?" -c cat -c dog --csv > animals.csv
`;

export function addScoreCommand(program: Command): void {
  const command = program
    .command("score")
    .description("tell how probable given answers are")
    .usage('[options] [MEDIA...] ["a question"]')
    .argument("[media...]", "pictures and videos, or inputs of rows; - is stdin")
    .option("-c, --candidate <text>", "an answer (may be repeated)", collect)
    .option("--candidates <file>", "answers, one a line; - is stdin")
    .option("--letters", "show the answers with letters and score the letters")
    .option("--whole", "answers are whole: their end counts as a token")
    .option("--yes-no", "score yes and no, summed over their spellings")
    .option("--shows <text>", "score yes and no to the question whether it shows a text (VQAScore)")
    .option("--question <text>", "the question of --shows, with {} for its text")
    .option("--each", "each picture, clip or row is a question of its own")
    .option("--csv", "print a table of rows");
  addRowOptions(command, "score");
  addPromptOptions(command);
  addMediaOptions(command);
  addModelOptions(command)
    .addOption(quietOption())
    .addOption(jsonOption())
    .action(async (args: string[], flags: ScoreFlags) => {
      const { runScore } = await import("../score/run.js");
      await runScore(args, flags);
    });
  command.helpInformation = () => help;
}
