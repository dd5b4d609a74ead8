/** The files of a repository that a pull fetches. */
import { maxConfig, maxJson } from "../convert/json.js";
import { adapterError, isAdapter, isWeights } from "../convert/kind.js";
import { argsName } from "../convert/origin.js";
import { indexName } from "../convert/shards.js";
import { ModelFileError, SeveralFilesError, UsageError, UserError } from "../errors.js";
import type { FileType } from "../gguf/file-types.js";
import type { HubFile, ListedFile } from "./hub/hub.js";
import { configName } from "./manifest.js";

const weightsName = "model.safetensors";

export interface Choice {
  type: FileType;
  /** A GGUF file of the repository. */
  file?: string;
}

/**
 * Chooses the files of a checkpoint, or the GGUF file of the wanted type; `name` names the repository in messages. Throws UsageError, UserError or
 * ModelFileError.
 */
export function chooseFiles(name: string, files: readonly ListedFile[], choice: Choice): HubFile[] {
  return choose(name, files, choice).map((file) => {
    const { path, hash } = file;
    if (!hash) throw new UserError(`${name} lists ${path} without a sha256, so that it can't be checked.`);
    return { ...file, hash };
  });
}

function choose(name: string, files: readonly ListedFile[], { type, file: wanted }: Choice): ListedFile[] {
  const gguf = files.filter(({ path }) => path.endsWith(".gguf"));
  if (wanted) {
    const file = gguf.find(({ path }) => path === wanted);
    if (!file) throw new UsageError(`${name} has no GGUF file ${JSON.stringify(wanted)}.`);
    return [file];
  }
  const here = files.filter(({ path }) => !path.includes("/"));
  const has = (path: string) => here.some((file) => file.path === path);
  const names = here.map(({ path }) => path);
  const sharded = has(indexName) && names.some((path) => isWeights(path) && path !== indexName);
  if (has(configName) && (sharded || has(weightsName))) return checkpointFiles(name, here, sharded);
  if (gguf.length === 0 && isAdapter(names)) throw adapterError(name);
  if (gguf.length === 0) {
    const lacking = has(configName) ? ` (it lists ${configName}, but no ${weightsName})` : "";
    throw new UserError(`${name} holds neither a safetensors checkpoint${lacking} nor a GGUF file.`);
  }
  const typed = gguf.filter(({ path }) => path.toLowerCase().includes(type.toLowerCase()));
  const one = gguf.length === 1 ? gguf : typed;
  if (one.length !== 1)
    throw new SeveralFilesError(
      name,
      gguf.map(({ path }) => path),
    );
  return one;
}

/** Chooses the weights, which are one file or an index and its shards, and the small files that a conversion reads. */
function checkpointFiles(name: string, here: readonly ListedFile[], sharded: boolean): ListedFile[] {
  // A file of all weights may lie beside the shards of the same.
  const twice = here.some(({ path }) => /^model-\d+-of-\d+\.safetensors$/.test(path));
  const weights = (path: string) =>
    sharded ? isWeights(path) && !(twice && path === weightsName) : path === weightsName;
  const chosen = here.filter(
    ({ path, size }) =>
      /^(config|generation_config|tokenizer|tokenizer_config)\.json$/.test(path) ||
      (path === argsName && size <= maxConfig) ||
      weights(path),
  );
  for (const { path, size } of chosen) {
    const limit = path === configName ? maxConfig : maxJson;
    if (path.endsWith(".json") && size > limit)
      throw new ModelFileError(`${name}/${path} has ${size} bytes; at most ${limit} are allowed.`);
  }
  return chosen;
}
