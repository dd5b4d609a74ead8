import type { EventEmitter } from "node:events";
import type { Command, Option } from "commander";
import { ExitCode } from "../../errors.js";
import { otherNames } from "../options.js";
import { exitWords, places, variables } from "../reference.js";
import { pathOf } from "../usage.js";

/**
 * The man pages of a program and of its commands, by the names of their files: owl3.1, owl3-chat.1. They are made from the descriptions, options
 * and examples that `--help` prints.
 */
export function manPages(program: Command, version: string): Map<string, string> {
  const pages = new Map([[`${program.name()}.1`, programPage(program, version)]]);
  for (const command of program.commands) pages.set(`${pageName(command)}.1`, commandPage(command, version));
  return pages;
}

const codeOf = (name: string): string => String(ExitCode[name as keyof typeof ExitCode]);
const entry = (name: string, about: string): string[] => [".TP", bold(name), text(about)];
const pageName = (command: Command): string => `${command.parent?.name()}-${command.name()}`;

function programPage(program: Command, version: string): string {
  const { commands } = program;
  return page(program.name(), version, program.description(), [
    ["SYNOPSIS", [`\\fB${program.name()}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...`]],
    ["COMMANDS", commands.flatMap((one) => entry(one.name(), one.description()))],
    ["OPTIONS", program.options.flatMap(optionLines)],
    ["EXIT STATUS", Object.entries(exitWords).flatMap(([name, [, about]]) => entry(codeOf(name), about))],
    ["ENVIRONMENT", Object.entries(variables).flatMap(([name, about]) => entry(name, about))],
    ["FILES", Object.entries(places).flatMap(([name, about]) => entry(name, about))],
    ["SEE ALSO", [commands.map((one) => `${bold(pageName(one))}(1)`).join(", ")]],
  ]);
}

function commandPage(command: Command, version: string): string {
  const { examples, remarks } = partsOfHelp(command);
  const usage = (one: Command): string[] => [
    ".TP",
    `${bold(pathOf(one).join(" "))} ${text(one.usage())}`,
    text(one.description()),
  ];
  const known = command.registeredArguments.filter(({ description }) => description !== "");
  const places = known.flatMap((one) => [".TP", italic(one.name().toUpperCase()), text(one.description)]);
  const below = command.commands.flatMap((one) => [
    ...usage(one),
    ...(one.options.length > 0 ? [".RS", ...one.options.flatMap(optionLines), ".RE"] : []),
  ]);
  const aliases = command.aliases().map((name) => bold(name));
  return page(pageName(command), version, command.description(), [
    ["SYNOPSIS", [`${bold(pathOf(command).join(" "))} ${text(command.usage())}`]],
    ["DESCRIPTION", aliases.length > 0 ? [`Its other names are ${aliases.join(", ")}.`] : []],
    ["ARGUMENTS", places],
    ["COMMANDS", below],
    ["OPTIONS", command.options.filter((option) => !option.hidden).flatMap(optionLines)],
    ["NOTES", verbatim(remarks)],
    ["EXAMPLES", verbatim(examples)],
    ["SEE ALSO", [`${bold(command.parent?.name() ?? "")}(1)`]],
  ]);
}

function page(name: string, version: string, about: string, sections: [string, string[]][]): string {
  // Without a date, so that a build gives the same pages at any time.
  const head = [
    `.TH "${text(name.toUpperCase())}" 1 "" "owl3 ${text(version)}" "Manual of owl3"`,
    ".SH NAME",
    `${text(name)} \\- ${text(about)}`,
  ];
  const filled = sections.filter(([, lines]) => lines.length > 0);
  return `${[...head, ...filled.flatMap(([title, lines]) => [`.SH "${title}"`, ...lines])].join("\n")}\n`;
}

function optionLines(option: Option): string[] {
  const [, value = ""] = / ([<[].+)$/.exec(option.flags) ?? [];
  const names = [option.short, option.long].filter((name) => name !== undefined).map(bold);
  const term = `${names.join(", ")}${value === "" ? "" : ` ${italic(value.replace(/[<>]/g, "").toUpperCase())}`}`;
  return [".TP", term, sentence(about(option))];
}

/** The description of an option with its choices, its default value and its other names. */
function about(option: Option): string {
  const { description, argChoices, defaultValue, defaultValueDescription } = option;
  const plain = ["string", "number"].includes(typeof defaultValue) ? String(defaultValue) : undefined;
  const preset = defaultValueDescription ?? plain;
  const others = otherNames(option);
  return [
    description,
    argChoices ? `It is one of ${argChoices.join(", ")}` : "",
    preset === undefined ? "" : `The default is ${preset}`,
    others.length > 0 ? `It is also known as ${others.join(", ")}` : "",
  ]
    .filter(Boolean)
    .join(". ");
}

const sentence = (words: string): string => text(`${words.charAt(0).toUpperCase()}${words.slice(1)}.`);

/**
 * The examples of a help, and what else is said after its options. A help that is laid out by hand has remarks in all of its lines, of which the
 * descriptions of options tell more.
 */
function partsOfHelp(command: Command): { examples: string; remarks: string } {
  let after = "";
  const write = (piece: string): void => {
    after += piece;
  };
  (command as unknown as EventEmitter).emit("afterHelp", { error: false, command, write });
  const [remarks = "", ...rest] = after.split(/^Examples?:\n/m);
  const [, byHand = ""] = /^Examples?:\n([\s\S]*)$/m.exec(command.helpInformation()) ?? [];
  return { examples: rest.join("") || byHand, remarks: remarks.trim() };
}

function verbatim(block: string): string[] {
  const lines = block.replace(/^\n+|\s+$/g, "").split("\n");
  return lines.join("") === "" ? [] : [".nf", ...lines.map((line) => text(line)), ".fi"];
}

const bold = (word: string): string => `\\fB${text(word)}\\fR`;
const italic = (word: string): string => `\\fI${text(word)}\\fR`;

/** Escapes plain text for roff: backslashes, hyphens that are typed as such, characters beyond ASCII, and what would be a request. */
function text(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/[^\n\x20-\x7e]/gu, (char) => `\\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`)
    .replace(/^(?=[.'])/gm, "\\&");
}
