import type { Command, Option } from "commander";
import { otherNames } from "../options.js";
import { isRepeatable } from "../repeats.js";
import { type Values, valuesOfArgument, valuesOfOption, type Word } from "./values.js";

/** The words that can stand at the cursor, or else paths. */
export interface Completions {
  words: Word[];
  paths: Values["paths"];
}

/**
 * Finds what can stand for the last of some words, which may be empty, behind the name of the program. It reads them as the program would, by the
 * same commands and options.
 */
export async function complete(program: Command, words: readonly string[]): Promise<Completions> {
  const last = words.at(-1) ?? "";
  const { command, operands, option, given, ended } = read(program, words.slice(0, -1));
  if (option) return fitting(valuesOfOption(option), last);
  if (!ended && last.startsWith("-")) {
    const [flag = "", value] = splitFlag(last);
    const valued = optionOf(command, flag);
    if (value !== undefined) return valued ? fitting(valuesOfOption(valued), value) : none;
    return { words: flags(command, given).filter(({ word }) => word.startsWith(last)), paths: "none" };
  }
  const commands = operands.length === 0 ? subcommands(command).filter(({ word }) => word.startsWith(last)) : [];
  if (commands.length > 0) return { words: commands, paths: "none" };
  const { registeredArguments: places } = command;
  const place = places[Math.min(operands.length, places.length - 1)];
  if (place && (operands.length < places.length || place.variadic))
    return fitting(valuesOfArgument(command, place, operands), last);
  // A picture as the first word begins a chat.
  return command.parent ? none : { words: [], paths: "files" };
}

const none: Completions = { words: [], paths: "none" };

interface Read {
  command: Command;
  /** The arguments that the command has so far. */
  operands: readonly string[];
  /** An option whose value comes next. */
  option: Option | undefined;
  given: ReadonlySet<Option>;
  /** Whether `--` ended the options. */
  ended: boolean;
}

function read(program: Command, words: readonly string[]): Read {
  let command = program;
  const operands: string[] = [];
  let option: Option | undefined;
  let ended = false;
  const given = new Set<Option>();
  for (const word of words) {
    if (option) {
      option = undefined;
      continue;
    }
    if (word === "--") ended = true;
    else if (!ended && word.startsWith("-") && word !== "-") {
      const [flag = "", value] = splitFlag(word);
      const found = optionOf(command, flag);
      if (found) given.add(found);
      if (found?.required && value === undefined) option = found;
    } else {
      const next =
        operands.length > 0 ? undefined : command.commands.find((one) => [one.name(), ...one.aliases()].includes(word));
      if (next) command = next;
      // `owl3 help` takes the name of a command.
      else if (command !== program || word !== "help") operands.push(word);
    }
  }
  return { command, operands, option, given, ended };
}

/** Splits `--name=value`. */
function splitFlag(word: string): [flag: string, value?: string] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

const optionOf = (command: Command, flag: string): Option | undefined =>
  command.options.find((option) => [option.short, option.long, ...otherNames(option)].includes(flag));

/** The options that can still be given, by their long names. */
function flags(command: Command, given: ReadonlySet<Option>): Word[] {
  const open = command.options.filter((option) => !option.hidden && (!given.has(option) || isRepeatable(option)));
  return [
    ...open.map(({ long, short, description }) => ({ word: long ?? (short as string), about: description })),
    { word: "--help", about: "print this help" },
  ];
}

const subcommands = (command: Command): Word[] =>
  command.commands.map((one) => ({ word: one.name(), about: one.description() }));

async function fitting({ words, paths }: Values, begin: string): Promise<Completions> {
  const fit = (await words()).filter(({ word }) => word.startsWith(begin));
  return { words: fit, paths: fit.length > 0 ? "none" : paths };
}
