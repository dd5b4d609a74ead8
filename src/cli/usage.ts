import type { Command, CommanderError } from "commander";
import { nearest } from "../check.js";
import { otherNames } from "./options.js";

/** Says in one sentence what is wrong with a command line that commander refused, and what was probably meant. */
export function usageMessage(error: CommanderError, program: Command, args: readonly string[]): string {
  const plain = error.message.replace(/^error: /, "");
  const [, name = ""] = /'([^']*)'/.exec(plain) ?? [];
  const command = commandOf(program, args);
  const help = `\`${[...pathOf(command), "--help"].join(" ")}\``;
  switch (error.code) {
    case "commander.unknownCommand":
      return `there is no command ${name}${did(nearest(name, namesOf(program)), "`owl3 --help` lists them")}`;
    case "commander.unknownOption": {
      const known = command.options.filter((option) => !option.hidden && option.long);
      const near = nearest(name, [
        "--help",
        ...known.flatMap((option) => [option.long as string, ...otherNames(option)]),
      ]);
      return `there is no option ${name}${did(near, `${help} lists them`)}`;
    }
    case "commander.excessArguments": {
      const extra = command.args[command.registeredArguments.length] ?? command.args[0] ?? "";
      return `${pathOf(command).join(" ")} does not take ${JSON.stringify(extra)}${did(nearest(extra, namesOf(command)), `see ${help}`)}`;
    }
    case "commander.missingArgument":
    case "commander.missingMandatoryOptionValue": {
      const options = command.options.filter(
        (option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined,
      );
      const places = command.registeredArguments.slice(command.args.length).filter((argument) => argument.required);
      const missing = [
        ...places.map((argument) => argument.name().toUpperCase()),
        ...options.map(({ flags }) => flags),
      ];
      return `${pathOf(command).join(" ")} needs ${missing.join(" and ")}; see ${help}`;
    }
    case "commander.invalidArgument": {
      const [, flags = "", value = "", why = ""] =
        /^option '(.*?)' argument '([\s\S]*)' is invalid\. ([\s\S]*)$/.exec(plain) ?? [];
      if (flags === "") return wrongArgument(plain, command, name) ?? plain;
      return `${flags.replace(/ <.*/, "")} can't be ${JSON.stringify(value)}: ${why.charAt(0).toLowerCase()}${why.slice(1)}`;
    }
    default:
      return plain;
  }
}

/** Says what was probably meant by an argument that is none of its choices. */
function wrongArgument(plain: string, command: Command, value: string): string | undefined {
  const [, allowed] = /Allowed choices are (.*)\.$/.exec(plain) ?? [];
  if (allowed === undefined) return undefined;
  return `${pathOf(command).join(" ")} does not take ${JSON.stringify(value)}${did(nearest(value, allowed.split(", ")), `it takes ${allowed}`)}`;
}

const did = (near: string | undefined, otherwise: string): string =>
  near === undefined ? `; ${otherwise}` : `; did you mean ${near}?`;

const namesOf = (command: Command): string[] =>
  command.commands.flatMap((one) => [one.name(), ...one.aliases()]).concat(command.parent ? [] : ["help", "version"]);

/** The command that the arguments name, or the one above it. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program;
  for (const arg of args) {
    const next = command.commands.find((one) => one.name() === arg || one.aliases().includes(arg));
    if (!next) break;
    command = next;
  }
  return command;
}

/** The names of a command, from the program on: ["owl3", "sessions", "show"]. */
export const pathOf = (command: Command): string[] => [
  ...(command.parent ? pathOf(command.parent) : []),
  command.name(),
];
