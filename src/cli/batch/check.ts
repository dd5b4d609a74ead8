import { UsageError } from "../../errors.js";
import { areNames, checkRowFlags } from "../row-options.js";
import type { BatchFlags } from "./flags.js";

/** Refuses options that exclude each other. Throws UsageError. */
export function checkFlags(args: readonly string[], flags: BatchFlags): void {
  const { out, merge, shard, stdin, sidecar, format, input, map, prompt } = flags;
  const openai = format === "openai";
  const refuse = (wrong: boolean, why: string): void => {
    if (wrong) throw new UsageError(why);
  };
  refuse(prompt?.trim() === "", "the prompt is empty.");
  if (merge) {
    refuse(out === undefined, "--merge needs the whole's file: -o FILE.");
    refuse(
      args.length > 0 || shard !== undefined,
      "--merge reads the shards of -o FILE, and neither INPUT nor --shard.",
    );
    return;
  }
  refuse(stdin === true && args.some((arg) => arg !== "-"), "--stdin reads its rows from stdin, and no INPUT.");
  const relayed = input === "relayed";
  const jsonForm = input === undefined || input === "jsonl" || relayed;
  refuse(stdin === true && !jsonForm, "--stdin reads JSON rows; leave out --input.");
  refuse(relayed && !stdin, "relayed rows come by --stdin.");
  refuse(flags.relay === true && out === undefined, "--relay needs the file of the results: -o FILE.");
  refuse(flags.relay === true && sidecar !== undefined, "--relay writes no sidecars.");
  refuse(
    flags.relay === true && (stdin === true || args.length === 0 || args.includes("-")),
    "--relay reads results from stdin, so the rows must come from INPUT.",
  );
  refuse(flags.null === true && (stdin === true || openai), "--null separates names, and these rows are JSON.");
  refuse(openai && !jsonForm, "--format openai reads JSON lines; leave out --input.");
  refuse(openai && prompt !== undefined, "rows of --format openai bring their prompts; leave out --prompt.");
  refuse(openai && map.length > 0, "--map is for rows of columns, and --format openai has none.");
  refuse(openai && sidecar !== undefined, "--sidecar is not for --format openai, whose pictures have no names.");
  checkRowFlags(stdin ? ["-"] : args, flags);
  refuse(!openai && areNames(args, flags) && prompt === undefined, "give the question of all rows: -p TEXT.");
}
