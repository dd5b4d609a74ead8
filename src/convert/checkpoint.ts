import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FileError, ModelFileError } from "../errors.js";
import type { SafetensorsTensor } from "../native/binding.js";
import { native, nativeCall } from "../native/native.js";
import { Fields, type ModelConfig, parseConfig } from "./config.js";

/** A Hugging Face checkpoint folder: its JSON files and the location of each tensor. */
export interface Checkpoint {
  name: string;
  config: ModelConfig;
  generation: Fields;
  tokenizer: { path: string; json: unknown };
  tensors: Map<string, { path: string } & SafetensorsTensor>;
}

const megabyte = 1 << 20;
const indexName = "model.safetensors.index.json";

/** Opens a checkpoint folder. Throws FileError or ModelFileError. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const info = await stat(folder).catch(() => undefined);
  if (!info) throw new FileError(`${folder}: no such folder.`);
  if (!info.isDirectory())
    throw new FileError(`${folder} is a file; convert takes the folder of a Hugging Face checkpoint.`);
  const configPath = join(folder, "config.json");
  const config = parseConfig(await readJson(configPath, megabyte), configPath);
  const tokenizerPath = join(folder, "tokenizer.json");
  const tokenizer = { path: tokenizerPath, json: await readJson(tokenizerPath, 64 * megabyte) };
  const generationPath = join(folder, "generation_config.json");
  const generation = new Fields(
    existsSync(generationPath) ? await readJson(generationPath, megabyte) : {},
    generationPath,
  );
  return { name: basename(resolve(folder)), config, generation, tokenizer, tensors: await findTensors(folder) };
}

async function readJson(path: string, limit: number): Promise<unknown> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new FileError(`${path} is missing from the checkpoint.`);
  if (!info.isFile()) throw new FileError(`${path} is not a file.`);
  if (info.size > limit) throw new ModelFileError(`${path} has ${info.size} bytes; at most ${limit} are allowed.`);
  const text = await readFile(path, "utf8").catch((error) => {
    throw new FileError(`${path} can't be read: ${error.message}`, { cause: error });
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelFileError(`${path} is not valid JSON.`, { cause: error });
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
