import { stat } from "node:fs/promises";
import path from "node:path";
import { nearest } from "../check.js";
import { configPath, readConfig } from "../config.js";
import { FileError, FolderError, NoModelError, UsageError } from "../errors.js";
import { expandHome } from "../folders.js";
import { demoModel, isFile, modelFolder } from "./folder.js";
import { findModel, listModels } from "./list.js";
import { isModelName, shortNames } from "./names.js";

/** The name of the model that comes with the package. */
export const demoName = "demo";

export interface ResolveOptions {
  env?: NodeJS.ProcessEnv;
  /** Called with a line of text when the packaged demo model is used because none was chosen. */
  note?: (line: string) => void;
  /** The model that is used if none is chosen. */
  fallback?: string;
}

/**
 * Finds the GGUF file of a model by its path, its name or its short name. Without a name: $OWL3_MODEL, then `model` of the config file, then
 * the demo model of the package. Throws FileError, UsageError or NoModelError.
 */
export async function resolveModel(name: string | undefined, options: ResolveOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  // An empty name is a variable of a shell that was never set; the demo model would answer instead.
  if (name === "") throw new UsageError("the model's name is empty.");
  const chosen = name || env.OWL3_MODEL || (await configuredModel(env));
  if (chosen) return fileOf(chosen, env);
  const file = options.fallback ?? demoModel;
  if (!(await isFile(file))) throw new NoModelError();
  options.note?.(
    "Using the small demo model, which knows simple shapes only. `owl3 pull 2b` fetches a released model, -m 2b uses it.",
  );
  return file;
}

async function fileOf(chosen: string, env: NodeJS.ProcessEnv): Promise<string> {
  const info = await stat(chosen).catch(() => null);
  if (info?.isFile() || info?.isFIFO()) return chosen;
  if (chosen === demoName && (await isFile(demoModel))) return demoModel;
  const model = isModelName(chosen) ? await findModel(chosen, modelFolder(env), env) : undefined;
  const file = model?.gguf[0]?.path;
  if (file) return file;
  if (info?.isDirectory()) throw new FolderError(chosen);
  if (model) throw new FileError(`${model.name} is not complete; \`owl3 pull ${chosen}\` goes on with it.`);
  if (/\.gguf$|^[.~/\\]/i.test(chosen)) throw new FileError(`there is no file ${chosen}.`);
  if (isModelName(chosen)) throw new FileError(`there is no model ${chosen} here; \`owl3 pull ${chosen}\` fetches it.`);
  throw new FileError(`there is no model or file ${chosen}; ${await advice(chosen, env)}`);
}

/** Says which model was probably meant, or where the names are. */
async function advice(chosen: string, env: NodeJS.ProcessEnv): Promise<string> {
  const installed = await listModels(modelFolder(env), env).catch(() => []);
  const names = [demoName, ...Object.keys(shortNames), ...installed.map(({ name }) => name)];
  const near = nearest(chosen, names);
  if (near !== undefined) return `did you mean ${near}?`;
  return `\`owl3 models\` lists those that are here, and \`owl3 pull\` fetches ${Object.keys(shortNames).join(", ")} or OWNER/NAME.`;
}

async function configuredModel(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { model } = await readConfig(env);
  if (model === undefined) return undefined;
  const file = expandHome(model);
  // A relative path counts from the config file, wherever the command runs.
  return isModelName(file) || path.isAbsolute(file) ? file : path.resolve(path.dirname(configPath(env)), file);
}
