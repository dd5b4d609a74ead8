import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FileError, ModelFileError } from "../errors.js";
import type { SafetensorsTensor } from "../native/binding.js";
import { native, nativeCall } from "../native/native.js";
import { Fields, type ModelConfig, parseConfig } from "./config.js";
import { adapterError, isAdapter, kindOfConfig, refuseGated } from "./kind.js";

/** A Hugging Face checkpoint folder: its JSON files and the location of each tensor. */
export interface Checkpoint {
  name: string;
  config: ModelConfig;
  generation: Fields;
  tokenizer: { path: string; json: unknown };
  tensors: Map<string, { path: string } & SafetensorsTensor>;
}

const megabyte = 1 << 20;
/** Bytes that a config.json may have. */
export const maxConfig = megabyte;
const indexName = "model.safetensors.index.json";

/** Opens a checkpoint folder. Throws FileError or ModelFileError. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new FileError(`${folder}: no such folder.`);
  if (!info.isDirectory())
    throw new FileError(`${folder} is a file; convert takes the folder of a Hugging Face checkpoint.`);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${folder} can't be read: ${error.code ?? error.message}.`, { cause: error });
  });
  if (isAdapter(names)) throw adapterError(folder);
  const config = await readConfig(join(folder, "config.json"));
  const tokenizerPath = join(folder, "tokenizer.json");
  const tokenizer = { path: tokenizerPath, json: await readJson(tokenizerPath, 64 * megabyte) };
  const generationPath = join(folder, "generation_config.json");
  const generation = new Fields(
    existsSync(generationPath) ? await readJson(generationPath, megabyte) : {},
    generationPath,
  );
  return { name: basename(resolve(folder)), config, generation, tokenizer, tensors: await findTensors(folder) };
}

/**
 * Reads and checks a config.json, which `name` names in messages. Throws FileError, or ModelFileError if it is not that of a checkpoint that can
 * be converted.
 */
export async function readConfig(path: string, name = path): Promise<ModelConfig> {
  const json = await readJson(path, maxConfig, name);
  refuseGated(kindOfConfig(json), name);
  return parseConfig(json, name);
}

async function readJson(path: string, limit: number, name = path): Promise<unknown> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new FileError(`${name} is missing from the checkpoint.`);
  if (!info.isFile()) throw new FileError(`${name} is not a file.`);
  if (info.size > limit) throw new ModelFileError(`${name} has ${info.size} bytes; at most ${limit} are allowed.`);
  const text = await readFile(path, "utf8").catch((error) => {
    throw new FileError(`${name} can't be read: ${error.message}`, { cause: error });
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelFileError(`${name} is not valid JSON.`, { cause: error });
  }
}

async function findTensors(folder: string): Promise<Checkpoint["tensors"]> {
  const index = join(folder, indexName);
  const single = join(folder, "model.safetensors");
  if (existsSync(index)) return findSharded(folder, index);
  if (!existsSync(single))
    throw new FileError(`${folder} holds no weights: model.safetensors (or ${indexName}) is missing.`);
  const list = await nativeCall(native().readSafetensors(single));
  return new Map(list.map((tensor) => [tensor.name, { ...tensor, path: single }]));
}

async function findSharded(folder: string, index: string): Promise<Checkpoint["tensors"]> {
  const where = Object.entries(new Fields(await readJson(index, 64 * megabyte), index).get("weight_map") ?? {});
  if (where.length === 0) throw new ModelFileError(`${index} has no weight_map.`);
  const shards = new Map<string, Map<string, SafetensorsTensor>>();
  const found: Checkpoint["tensors"] = new Map();
  for (const [name, file] of where) {
    if (typeof file !== "string" || file !== basename(file) || file === "..")
      throw new ModelFileError(`${index} names ${JSON.stringify(file)}, which is not a file of this folder.`);
    const path = join(folder, file);
    let shard = shards.get(file);
    if (!shard) {
      if (!existsSync(path)) throw new FileError(`${path} is missing; ${indexName} names it.`);
      const list = await nativeCall(native().readSafetensors(path));
      shard = new Map(list.map((tensor) => [tensor.name, tensor]));
      shards.set(file, shard);
    }
    const tensor = shard.get(name);
    if (!tensor) throw new ModelFileError(`tensor ${name} is missing from ${path}, where ${indexName} says it is.`);
    found.set(name, { ...tensor, path });
  }
  return found;
}
