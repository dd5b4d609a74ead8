import type { Argument, Command, Option } from "commander";
import { configKeys, isFlag } from "../../config.js";
import { pathOf } from "../usage.js";

/** A word that can stand at the cursor, and a few words about it. */
export interface Word {
  word: string;
  about: string;
}

/** The values that are completed: some words, and paths where none of them fits. */
export interface Values {
  words: () => Word[] | Promise<Word[]>;
  paths: "none" | "files" | "folders";
}

const words = (list: () => Word[] | Promise<Word[]>): Values => ({ words: list, paths: "none" });
const only = (paths: Values["paths"]): Values => ({ words: () => [], paths });

const models: Values = { words: modelNames, paths: "files" };
const sessions = words(async () => {
  const { sessionNames } = await import("../../sessions/list.js");
  return (await sessionNames()).map((word) => ({ word, about: "session" }));
});
const releases = words(async () => {
  const { shortNames } = await import("../../models/names.js");
  return Object.entries(shortNames).map(([word, about]) => ({ word, about }));
});
const settings = words(() => configKeys.map((word) => ({ word, about: "setting" })));
const benchmarks = words(async () => {
  const { formats } = await import("../../eval/formats/index.js");
  return formats.map(({ name }) => ({ word: name, about: "benchmark" }));
});
const devices = words(async () => {
  const { native } = await import("../../native/native.js");
  const usable = native()
    .systemInfo()
    .devices.filter((device) => device.usable);
  return [{ word: "auto", about: "the default" }, ...usable.map(({ id, name }) => ({ word: id, about: name }))];
});
const booleans = words(() => ["true", "false"].map((word) => ({ word, about: "" })));

/** Values that are more than their names in the help tell; some depend on the arguments before. */
const special: Readonly<Record<string, Values | ((before: readonly string[]) => Values)>> = {
  "--model": models,
  "--session": sessions,
  "--format": benchmarks,
  "--device": devices,
  "info file": models,
  "rm names": words(installedNames),
  "pull name": releases,
  "sessions show name": sessions,
  "sessions export name": sessions,
  "sessions rm names": sessions,
  "config unset key": settings,
  "config set value": ([key = ""]) => (isFlag(key) ? booleans : models),
};

/** The names of values in the help that are paths; test/unit/cli/completion.test.ts lists those that are none. */
const pathNames: Readonly<Record<string, Values["paths"]>> = {
  file: "files",
  in: "files",
  out: "files",
  media: "files",
  clips: "files",
  inputs: "files",
  data: "files",
  json: "files",
  dir: "folders",
  folder: "folders",
};

/** The values of an option. */
export function valuesOfOption(option: Option): Values {
  if (option.argChoices) return choices(option.argChoices);
  return specialOf(option.long ?? "", []) ?? only(pathNames[nameOfValue(option)] ?? "none");
}

/** The values of an argument of a command, behind the arguments `before`. */
export function valuesOfArgument(command: Command, argument: Argument, before: readonly string[] = []): Values {
  if (argument.argChoices) return choices(argument.argChoices);
  const name = argument.name();
  return specialOf([...pathOf(command).slice(1), name].join(" "), before) ?? only(pathNames[name] ?? "none");
}

function specialOf(name: string, before: readonly string[]): Values | undefined {
  const found = special[name];
  return typeof found === "function" ? found(before) : found;
}

/** The name that the help gives to an option's value: "file" of "-m, --model <file>"; empty where it takes none. */
export function nameOfValue(option: Option): string {
  const [, name = ""] = /[<[](.+?)[>\]]/.exec(option.flags) ?? [];
  return name;
}

const choices = (list: readonly string[]): Values => words(() => list.map((word) => ({ word, about: "" })));

async function modelNames(): Promise<Word[]> {
  const { demoName } = await import("../../models/resolve.js");
  return [{ word: demoName, about: "the model that comes along" }, ...(await installedNames())];
}

async function installedNames(): Promise<Word[]> {
  const { listModels } = await import("../../models/list.js");
  const installed = await listModels();
  return installed.map(({ name, short }) => ({ word: short ?? name, about: short ? name : "model" }));
}
