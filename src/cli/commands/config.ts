import path from "node:path";
import { Argument, type Command } from "commander";
import {
  type ConfigKey,
  configKeys,
  configPath,
  parseSetting,
  readConfig,
  setConfig,
  unsetConfig,
} from "../../config.js";
import { UserError } from "../../errors.js";
import { expandHome } from "../../folders.js";
import { jsonOption } from "../options.js";
import { createOutput } from "../output.js";

export function addConfigCommand(program: Command): void {
  const config = program
    .command("config")
    .description("list and change the settings of the config file")
    .addOption(jsonOption())
    .action((flags: { json?: boolean }) => list(flags.json ?? false))
    .addHelpText(
      "after",
      `
Keys: model, the model where none is named (a name or a GGUF file), and
preview, whether chats show their pictures on terminals that can (true, false).
Options and $OWL3_MODEL go before the config file.

Examples:
  owl3 config set model 2b
  owl3 config set preview true
  owl3 config unset model`,
    );
  config
    .command("list")
    .alias("ls")
    .description("list them, as without a command")
    .action((_: unknown, command: Command) => list(command.optsWithGlobals<{ json?: boolean }>().json ?? false));
  config
    .command("get")
    .description("print the value of a key")
    .addArgument(new Argument("<key>", "the key").choices(configKeys))
    .action(get);
  config
    .command("set")
    .description("give a key a value")
    .addArgument(new Argument("<key>", "the key").choices(configKeys))
    .argument("<value>", "its value, checked as the option of that name is")
    .action(set);
  config.command("unset").description("remove a key").argument("<key>", "the key").action(unset);
  config
    .command("path")
    .description("print the path of the config file")
    .action(() => createOutput().line(configPath()));
}

async function list(json: boolean): Promise<void> {
  const out = createOutput();
  const config = await readConfig();
  if (json) return out.json(config);
  for (const [key, value] of Object.entries(config)) out.line(`${key}=${value}`);
  if (Object.keys(config).length === 0)
    out.note(`Nothing is set in ${configPath()}; the keys are ${configKeys.join(", ")}.`);
}

async function get(key: ConfigKey): Promise<void> {
  const value = (await readConfig())[key];
  if (value === undefined) throw new UserError(`${key} is not set.`);
  createOutput().line(String(value));
}

async function set(key: ConfigKey, text: string): Promise<void> {
  const settings = parseSetting(key, text);
  if (settings.model !== undefined) settings.model = await modelSetting(settings.model);
  await setConfig(settings);
}

/** Checks a model as --model does. A file gets its whole path, since the config file counts everywhere. Throws UserError. */
async function modelSetting(model: string): Promise<string> {
  const { resolveModel } = await import("../../models/resolve.js");
  const file = await resolveModel(expandHome(model));
  return file === model ? path.resolve(model) : model;
}

async function unset(key: string): Promise<void> {
  if (!(await unsetConfig(key))) createOutput().note(`${key} was not set.`);
}
