/** The origin of a fine-tune, as far as its training program noted it. */
import { join } from "node:path";
import { maxConfig, readJson } from "./json.js";

/** The arguments of a training with ms-swift, which puts them beside the weights. */
export const argsName = "args.json";

/** Reads which model a checkpoint folder was fine-tuned from: a name or a path. Undefined if nothing usable says so. */
export async function readOrigin(folder: string): Promise<string | undefined> {
  const args = await readJson(join(folder, argsName), maxConfig).catch(() => undefined);
  if (typeof args !== "object" || args === null) return undefined;
  // Older releases of ms-swift called it model_id_or_path.
  const { model, model_id_or_path: older } = args as Record<string, unknown>;
  return [model, older].find(
    (name): name is string =>
      typeof name === "string" && name.length <= 200 && /^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(name),
  );
}
