/** The tensors of a checkpoint folder: those of one safetensors file, or of several that an index lists. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { FileError, ModelFileError } from "../errors.js";
import type { SafetensorsTensor } from "../native/gguf.js";
import { native, nativeCall } from "../native/native.js";
import { Fields } from "./config.js";
import { maxJson, readJson } from "./json.js";

export const indexName = "model.safetensors.index.json";

/** Tensors by name, each with its file. */
export type Tensors = Map<string, { path: string } & SafetensorsTensor>;

/** Finds all tensors of a checkpoint folder. Throws FileError or ModelFileError. */
export async function findTensors(folder: string): Promise<Tensors> {
  const index = join(folder, indexName);
  const single = join(folder, "model.safetensors");
  if (existsSync(index)) return findSharded(folder, index);
  if (!existsSync(single))
    throw new FileError(`${folder} holds no weights: model.safetensors (or ${indexName}) is missing.`);
  const list = await nativeCall(() => native().readSafetensors(single));
  return new Map(list.map((tensor) => [tensor.name, { ...tensor, path: single }]));
}

/** Reads an index, which `name` names in messages: tensors and the names of their shards in the same folder. Throws FileError or ModelFileError. */
export async function readIndex(path: string, name = path): Promise<Map<string, string>> {
  const map = new Fields(await readJson(path, maxJson, name), name).get("weight_map");
  const entries = typeof map === "object" && map !== null && !Array.isArray(map) ? Object.entries(map) : [];
  if (entries.length === 0) throw new ModelFileError(`${name} has no weight_map.`);
  return new Map(
    entries.map(([tensor, file]) => {
      const plain = typeof file === "string" && file === basename(file) && !/^\.*$|\\/.test(file);
      if (!plain) throw new ModelFileError(`${name} names ${shown(file)}, which is not a file of this folder.`);
      return [tensor, file];
    }),
  );
}

async function findSharded(folder: string, index: string): Promise<Tensors> {
  const map = await readIndex(index);
  const found: Tensors = new Map();
  const shards = [...new Set(map.values())].map((file) => join(folder, file));
  // A shard that is missing is told before the others are read.
  for (const path of shards)
    if (!(await stat(path).catch(() => undefined))?.isFile())
      throw new FileError(`${path} is missing; ${indexName} names it.`);
  for (const path of shards)
    for (const tensor of await nativeCall(() => native().readSafetensors(path))) {
      const { name } = tensor;
      const other = found.get(name);
      if (other) throw new ModelFileError(`tensor ${name} is in two shards, ${other.path} and ${path}.`);
      if (!map.has(name)) throw new ModelFileError(`tensor ${name} of ${path} is missing from ${indexName}.`);
      found.set(name, { ...tensor, path });
    }
  for (const [name, file] of map) {
    const path = join(folder, file);
    if (found.get(name)?.path !== path)
      throw new ModelFileError(`tensor ${name} is missing from ${path}, where ${indexName} says it is.`);
  }
  return found;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : "a value that is no text";
}
