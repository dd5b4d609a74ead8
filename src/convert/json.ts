/** Reading the JSON files of a checkpoint, which may hold anything. */
import { readFile, stat } from "node:fs/promises";
import { FileError, ModelFileError, systemReason } from "../errors.js";

const megabyte = 1 << 20;
/** Bytes that a config.json, and any other file of settings, may have. */
export const maxConfig = megabyte;
/** Bytes that a tokenizer.json or the index of the weights may have. */
export const maxJson = 64 * megabyte;

/** Parses a file of at most `limit` bytes, which `name` names in messages. Throws FileError or ModelFileError. */
export async function readJson(path: string, limit: number, name = path): Promise<unknown> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new FileError(`${name} is missing from the checkpoint.`);
  if (!info.isFile()) throw new FileError(`${name} is not a file.`);
  if (info.size > limit) throw new ModelFileError(`${name} has ${info.size} bytes; at most ${limit} are allowed.`);
  const text = await readFile(path, "utf8").catch((error) => {
    throw new FileError(`${name} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelFileError(`${name} is not valid JSON.`, { cause: error });
  }
}
