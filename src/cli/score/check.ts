import { formOf } from "../../batch/raw.js";
import { UsageError } from "../../errors.js";
import { areNames, checkRowFlags, freeRowFlags } from "../row-options.js";
import type { ScoreFlags } from "./flags.js";

/** Whether each input is a question of its own. */
export function isEach(args: readonly string[], { each }: ScoreFlags): boolean {
  return each === true || args.some((arg) => formOf(arg) !== undefined);
}

/** Refuses options that exclude each other. Throws UsageError. */
export function checkFlags(args: readonly string[], flags: ScoreFlags): void {
  const { candidate, candidates, letters, whole, yesNo, shows, question, prompt, out, csv, json } = flags;
  const refuse = (wrong: boolean, why: string): void => {
    if (wrong) throw new UsageError(why);
  };
  const given = candidate !== undefined || candidates !== undefined;
  const asked = yesNo === true || shows !== undefined;
  const by = shows === undefined ? "--yes-no" : "--shows";
  const each = isEach(args, flags);
  refuse(prompt?.trim() === "", "the prompt is empty.");
  refuse(shows !== undefined && yesNo === true, "--shows asks a question of yes or no itself; leave out --yes-no.");
  refuse(
    asked && (given || letters === true || whole === true),
    `${by} scores yes and no; leave out candidates, --letters and --whole.`,
  );
  refuse(
    !asked && !given && !each,
    "there is nothing to score: give answers with -c or --candidates, or use --yes-no or --shows.",
  );
  refuse(
    shows !== undefined && prompt !== undefined,
    "--shows asks its own question; leave out the prompt, or use --yes-no with it.",
  );
  refuse(
    question !== undefined && shows === undefined,
    "--question is the question that --shows asks; give the prompt with -p.",
  );
  const stdin = args.filter((name) => name === "-").length + (each && args.length === 0 ? 1 : 0);
  refuse(stdin + (candidates === "-" ? 1 : 0) > 1, "only one thing can be read from stdin (-).");
  if (each) {
    checkRowFlags(args, flags);
    // Rows of files bring neither; those of JSONL and CSV may.
    const names = areNames(args, flags);
    refuse(names && !asked && prompt === undefined, "give the question of all rows: -p TEXT.");
    refuse(names && !asked && !given, "give the answers to score: -c TEXT or --candidates FILE.");
    refuse(csv === true && out !== undefined, "--csv prints a table, and results of -o FILE are JSON lines.");
    refuse(csv === true && json === true, "--csv and --json exclude each other.");
  } else {
    const rows = "-o, --csv and the like are for rows: add --each, or name a JSONL or CSV file.";
    refuse(flags.map.length > 0, rows);
    for (const name of [...freeRowFlags, "csv"] as const)
      refuse(name !== "concurrency" && flags[name] !== undefined, rows);
  }
}
