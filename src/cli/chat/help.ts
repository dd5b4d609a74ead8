import type { Command, Option } from "commander";

/** The options that are explained, each on a line. */
const explained: Readonly<Record<string, string>> = {
  "--model": "GGUF file or a model's name [$OWL3_MODEL, config file]",
  "--prompt": "the question; piped text goes before it",
  "--max-tokens": "maximum tokens of the answer (512)",
  "--temp": "temperature; 0 is greedy (default: the model file's)",
  "--quiet": "print nothing but the answer",
  "--json": "print one JSON object",
  "--dry-run": "print prompt, ids, grids and memory; nothing is run",
};

/** The groups of those that are only named; an option that is in none of them is named under "more". */
const groups: Readonly<Record<string, readonly string[]>> = {
  answer: [
    "--system",
    "--ctx",
    "--stop",
    "--beams",
    "--logprobs",
    "--allow-special",
    "--draft",
    "--no-schema-prompt",
    "--server",
  ],
  form: ["--schema", "--schema-lax", "--choice", "--regex", "--json-object"],
  sessions: ["--messages", "--session", "--continue", "--no-log"],
  sampling: [
    ...["--seed", "--top-k", "--top-p", "--min-p"],
    ...["--repetition-penalty", "--presence-penalty", "--frequency-penalty"],
  ],
  pictures: [
    ...["--image", "--clipboard", "--cut", "--no-cut", "--interleave", "--recursive"],
    ...["--preview", "--no-preview", "--dump"],
  ],
  videos: ["--fps", "--max-frames", "--start", "--end", "--frames"],
  machine: [
    "--threads",
    "--device",
    "--gpu-layers",
    "--precision",
    "--kv-type",
    "--decoder",
    "--no-cache",
    "--no-repack-cache",
  ],
};

const width = 80;

/**
 * The help of `owl3 chat` and `owl3 video`: what everybody needs is explained, and the rest is named in groups, so that a further option costs a
 * word and the whole fits a terminal of 24 lines.
 */
export function chatHelp(command: Command, text: { usage: string; intro: string; examples: string }): string {
  const options = command.options.filter((option) => !option.hidden);
  const named = (names: readonly string[]): Option[] =>
    options.filter((option) => names.includes(option.long ?? "") && !(option.long && option.long in explained));
  const grouped = Object.values(groups).flat();
  const more = options.map(({ long = "" }) => long).filter((long) => !grouped.includes(long));
  const lines = options
    .filter(({ long }) => long && long in explained)
    .map((option) => `  ${term(option).padEnd(22)}  ${explained[option.long as string]}`);
  const rest = Object.entries({ ...groups, more })
    .map(([name, names]) => [name, named(names)] as const)
    .filter(([, members]) => members.length > 0)
    .map(([name, members]) => paragraph(`  ${name.padEnd(9)} `, members.map(term)));
  return [`Usage: ${text.usage}`, "", text.intro, ...lines, ...rest, `Examples:\n${text.examples}`, ""].join("\n");
}

/** An option as it is typed: "-m, --model FILE", "--draft lookup". */
function term(option: Option): string {
  const [, name = ""] = /<(.+)>/.exec(option.flags) ?? [];
  const only = option.argChoices?.length === 1 ? option.argChoices[0] : undefined;
  const value = only ?? name.toUpperCase();
  return `${[option.short, option.long].filter(Boolean).join(", ")}${value && ` ${value}`}`;
}

/** Fills lines with words that are not broken; further lines are indented like the first. */
function paragraph(head: string, words: readonly string[]): string {
  const lines = [head];
  for (const word of words) {
    const last = lines.length - 1;
    const line = lines[last] as string;
    if (line.length + 2 + word.length <= width || line.trim() === "")
      lines[last] = `${line}  ${word}`.replace(`${head}  `, head);
    else lines.push(" ".repeat(head.length) + word);
  }
  return lines.join("\n");
}
