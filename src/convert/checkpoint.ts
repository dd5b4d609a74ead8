import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FileError, systemReason } from "../errors.js";
import type { HyperKind } from "../native/model.js";
import { Fields, type ModelConfig, parseConfig } from "./config.js";
import { maxConfig, maxJson, readJson } from "./json.js";
import { adapterError, isAdapter, kindOfTensors } from "./kind.js";
import { readOrigin } from "./origin.js";
import { findTensors, type Tensors } from "./shards.js";

/** A Hugging Face checkpoint folder: its JSON files and the location of each tensor. */
export interface Checkpoint {
  name: string;
  kind: HyperKind;
  config: ModelConfig;
  generation: Fields;
  tokenizer: { path: string; json: unknown };
  tensors: Tensors;
  /** The model that this one was fine-tuned from, if the folder says so. */
  origin: string | undefined;
}

/** Opens a checkpoint folder. Throws FileError or ModelFileError. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new FileError(`${folder}: no such folder.`);
  if (!info.isDirectory())
    throw new FileError(`${folder} is a file; convert takes the folder of a Hugging Face checkpoint.`);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${folder} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  if (isAdapter(names)) throw adapterError(folder);
  const config = await readConfig(join(folder, "config.json"));
  const tokenizerPath = join(folder, "tokenizer.json");
  const tokenizer = { path: tokenizerPath, json: await readJson(tokenizerPath, maxJson) };
  const generationPath = join(folder, "generation_config.json");
  const generation = new Fields(
    existsSync(generationPath) ? await readJson(generationPath, maxConfig) : {},
    generationPath,
  );
  const tensors = await findTensors(folder);
  const kind = kindOfTensors([...tensors.keys()], folder);
  const origin = await readOrigin(folder);
  return { name: basename(resolve(folder)), kind, config, generation, tokenizer, tensors, origin };
}

/**
 * Reads and checks a config.json, which `name` names in messages. Throws FileError, or ModelFileError if it is not that of a checkpoint that can
 * be converted.
 */
export async function readConfig(path: string, name = path): Promise<ModelConfig> {
  return parseConfig(await readJson(path, maxConfig, name), name);
}
