/** The user's settings: one JSON object, whose keys are those of Config. */
import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { checkKeys, checkShape, kinds, type Shape } from "./check.js";
import { FileError, systemReason, UsageError } from "./errors.js";
import { replaceFile } from "./files.js";
import { absolute, homeFolder } from "./folders.js";

export interface Config {
  /** A model's name or a GGUF file; a relative path counts from the folder of the config file. */
  model?: string;
  /** Whether chats show their pictures on terminals that can. */
  preview?: boolean;
}

const shape: Shape<Config> = {
  model: { name: "a file or a model's name", is: (value) => typeof value === "string" && value !== "" },
  preview: kinds.flag,
};

export type ConfigKey = keyof Config;
export const configKeys = Object.keys(shape) as ConfigKey[];

/** Whether the value of a key is true or false. */
export const isFlag = (key: string): boolean => Object.hasOwn(shape, key) && shape[key as ConfigKey] === kinds.flag;

/** The config file: owl3/config.json in the XDG config folder. */
export function configPath(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(absolute(env.XDG_CONFIG_HOME) ?? path.join(homeFolder(), ".config"), "owl3/config.json");
}

/** Reads the settings; none where there is no file. Throws FileError, and UsageError for unknown keys and wrong values. */
export async function readConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const config = await readObject(configPath(env));
  checkShape(config, shape, configPath(env));
  return config;
}

/** Parses a value as people write it: text, or true or false. Throws UsageError for an unknown key or a wrong value. */
export function parseSetting(key: string, text: string): Config {
  const value = isFlag(key) && /^(true|false)$/.test(text) ? text === "true" : text;
  const config = { [key]: value };
  checkShape(config, shape, "the config");
  return config;
}

/** Writes settings beside those that the file has. Throws FileError and UsageError; the file is then as it was. */
export async function setConfig(settings: Config, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  await write(configPath(env), { ...(await readConfig(env)), ...settings });
}

/** Removes a key, also an unknown one that the file has, and tells whether it was there. Throws FileError and UsageError. */
export async function unsetConfig(key: string, env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const file = configPath(env);
  const config = (await readObject(file)) as Record<string, unknown>;
  if (!Object.hasOwn(config, key)) {
    checkKeys({ [key]: undefined }, configKeys, "the config");
    return false;
  }
  const { [key]: _, ...rest } = config;
  await write(file, rest);
  return true;
}

async function readObject(file: string): Promise<object> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "{}";
    throw new FileError(`${file} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is not JSON, which has no comments and no commas at the end.`);
  }
  if (!kinds.object.is(config)) throw new UsageError(`${file}: expected an object such as {"model": "7b"}.`);
  return config as object;
}

/** Replaces the file, which may be a link to where people keep such files; who may read it stays. */
async function write(file: string, config: object): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const target = await realpath(file).catch(() => file);
    const mode = (await stat(target).catch(() => undefined))?.mode;
    await replaceFile(target, `${JSON.stringify(config, null, 2)}\n`, mode === undefined ? 0o644 : mode & 0o777);
  } catch (error) {
    throw new FileError(`${file} can't be written: ${systemReason(error)}.`, { cause: error });
  }
}
