import { type Command, Option } from "commander";
import { parseShard } from "../rows/shard.js";
import { integer, parsed } from "./options.js";

/** Adds the options of commands that work on many rows: where rows and results are, how many at a time, and which. */
export function addRowOptions(command: Command): Command {
  return command
    .option("--media-root <dir>", "folder that the rows' files are relative to; nothing outside is opened")
    .option("-o, --out <file>", "results of rows; the same command goes on with them")
    .addOption(new Option("--concurrency <n>", "rows at the same time").argParser(integer(1, 256)).default(8))
    .option("--retry-errors", "take failed rows again")
    .addOption(new Option("--max-errors <n>", "stop after n failed rows").argParser(integer(1)))
    .addOption(new Option("--shard <i/n>", "take every nth row only, from row i on").argParser(parsed(parseShard)));
}
