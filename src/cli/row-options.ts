import { type Command, Option } from "commander";
import { type FileForm, formOf, parseMap } from "../batch/raw.js";
import { UsageError } from "../errors.js";
import { parseShard, type Shard } from "../rows/shard.js";
import { integer, parsed } from "./options.js";

/** The options of commands that work on rows, as commander parses them. */
export interface RowFlags {
  out?: string;
  input?: "names" | FileForm | "relayed";
  null?: boolean;
  map: [field: string, column: string][];
  mediaRoot?: string;
  concurrency: number;
  retryErrors?: boolean;
  maxErrors?: number;
  shard?: Shard;
}

/** Those of them that change no result; a run with others of them may go on with a results file. */
export const freeRowFlags = [
  "out",
  "input",
  "null",
  "mediaRoot",
  "concurrency",
  "retryErrors",
  "maxErrors",
  "shard",
] as const satisfies readonly (keyof RowFlags)[];

/** Adds the options. `verb`: the work on a row, in the words of the help; `forms`: further forms of rows. */
export function addRowOptions(command: Command, verb: string, forms: readonly string[] = []): Command {
  return command
    .addOption(new Option("--input <form>", "how rows are written").choices(["names", "jsonl", "csv", "tsv", ...forms]))
    .option("-0, --null", "names on stdin end with a NUL character")
    .addOption(new Option("--map <field=column>", "the column of a field").argParser(map).default([]))
    .option("--media-root <dir>", "folder that the rows' files are relative to; nothing outside is opened")
    .option("-o, --out <file>", "results of rows; the same command goes on with them")
    .addOption(new Option("--concurrency <n>", "rows at the same time").argParser(integer(1, 256)).default(8))
    .option("--retry-errors", `${verb} failed rows again`)
    .addOption(new Option("--max-errors <n>", "stop after n failed rows").argParser(integer(1)))
    .addOption(new Option("--shard <i/n>", `${verb} every nth row, from row i on`).argParser(parsed(parseShard)));
}

function map(text: string, before: [string, string][]): [string, string][] {
  return [...before, parsed(parseMap)(text)];
}

/** Refuses options of rows that exclude each other. Throws UsageError. */
export function checkRowFlags(args: readonly string[], { out, input, null: zero, retryErrors }: RowFlags): void {
  const refuse = (wrong: boolean, why: string): void => {
    if (wrong) throw new UsageError(why);
  };
  refuse(zero === true && input !== undefined && input !== "names", "--null separates names; leave out --input.");
  refuse(
    retryErrors === true && out === undefined,
    "--retry-errors is about results of an earlier run: name them by -o FILE.",
  );
  refuse(out === "-", "results go to stdout without -o.");
  refuse(
    args.length === 0 && process.stdin.isTTY === true,
    "give pictures, folders, JSONL or CSV files, or pipe names in.",
  );
}

/** Whether rows are names of files, which bring no questions. */
export function areNames(args: readonly string[], { input, null: zero }: Pick<RowFlags, "input" | "null">): boolean {
  if (zero || input === "names") return true;
  return input === undefined && args.length > 0 && args.every((arg) => arg !== "-" && formOf(arg) === undefined);
}
