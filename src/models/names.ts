/** Names of models: a repository of a hub, written as OWNER/NAME, hf:OWNER/NAME or ms:OWNER/NAME, or a short name. */
import { UsageError } from "../errors.js";

/** The hubs that models are pulled from: Hugging Face and ModelScope. */
export const hubNames = ["hf", "modelscope"] as const;
export type HubName = (typeof hubNames)[number];

/** A repository of a hub. */
export interface ModelName {
  hub: HubName;
  /** owner/name */
  repo: string;
}

/** The names of the hubs in sentences. */
export const hubTitles: Readonly<Record<HubName, string>> = { hf: "Hugging Face", modelscope: "ModelScope" };
const prefixes: Readonly<Record<HubName, string>> = { hf: "hf:", modelscope: "ms:" };
/** The organisation that publishes the released checkpoints on each hub. */
const owners: Readonly<Record<HubName, string>> = { hf: "mPLUG", modelscope: "iic" };

/** Short names of released checkpoints, whose repositories have the same name on both hubs. */
export const shortNames: Readonly<Record<string, string>> = {
  "7b": "mPLUG-Owl3-7B-241101",
  "2b": "mPLUG-Owl3-2B-241014",
  "1b": "mPLUG-Owl3-1B-241014",
  "7b-240728": "mPLUG-Owl3-7B-240728",
};

/** The hub of names without a prefix: $OWL3_HUB, else Hugging Face. Throws UsageError. */
export function defaultHub(env: NodeJS.ProcessEnv = process.env): HubName {
  const name = env.OWL3_HUB || "hf";
  if (!isHubName(name))
    throw new UsageError(`OWL3_HUB must be ${hubNames.join(" or ")}, found ${JSON.stringify(name.slice(0, 40))}.`);
  return name;
}

export const isHubName = (name: unknown): name is HubName => hubNames.includes(name as HubName);

/** The hub that a name's prefix names, if it has one. */
export function hubOfPrefix(name: string): HubName | undefined {
  return hubNames.find((hub) => name.startsWith(prefixes[hub]));
}

/** Parses a name; one without a prefix is of `hub`. Throws UsageError. */
export function parseName(name: string, hub: HubName): ModelName {
  const named = hubOfPrefix(name);
  const at = named ?? hub;
  const bare = named ? name.slice(prefixes[named].length) : name;
  const released = Object.hasOwn(shortNames, bare.toLowerCase()) ? shortNames[bare.toLowerCase()] : undefined;
  const repo = released ? `${owners[at]}/${released}` : bare;
  if (!isRepo(repo))
    throw new UsageError(
      `${JSON.stringify(name)} names no model: expected ${Object.keys(shortNames).join(", ")}, OWNER/NAME, hf:OWNER/NAME or ms:OWNER/NAME.`,
    );
  return { hub: at, repo };
}

/** Whether a text is owner/name of a repository; such a text can't form a path outside the model folder. */
export function isRepo(text: string): boolean {
  const plain = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(text);
  return plain && !text.includes("..") && !/\.(git|ipc)$/.test(text);
}

/** Whether parseName() accepts a name. */
export function isModelName(name: string): boolean {
  try {
    parseName(name, "hf");
    return true;
  } catch {
    return false;
  }
}

/** Writes a name such that it is parsed to the same model; ModelScope's always have their prefix. */
export function formatName({ hub, repo }: ModelName, env: NodeJS.ProcessEnv = process.env): string {
  return hub === "hf" && defaultHub(env) === "hf" ? repo : prefixes[hub] + repo;
}

/** The short name of a released checkpoint. */
export function shortName({ hub, repo }: ModelName): string | undefined {
  return Object.keys(shortNames).find((short) => repo === `${owners[hub]}/${shortNames[short]}`);
}

/**
 * The repository of the other hub that may hold the same model: that of the same release, which is `certain`, or one of the same name. `name` has
 * its prefix.
 */
export function elsewhere(model: ModelName): { hub: HubName; name: string; certain: boolean } {
  const hub = model.hub === "hf" ? "modelscope" : "hf";
  const short = shortName(model);
  const repo = short ? `${owners[hub]}/${shortNames[short]}` : model.repo;
  return { hub, name: prefixes[hub] + repo, certain: short !== undefined };
}
