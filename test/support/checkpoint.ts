import { closeSync, cpSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../../src/convert/config.js";
import { tensorLayout } from "../../src/convert/layout.js";
import type { HyperKind } from "../../src/native/model.js";
import { fixtures } from "./files.js";

export const goldenCheckpoint = join(fixtures, "golden/model");

/** A config.json of few, tiny layers; fields can be overridden. */
export function tinyConfig(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    model_type: "mplugowl3",
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: 2048,
    max_position_embeddings: 1024,
    rope_theta: 1e6,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    hyper_layers: [2],
    vision_config: {
      hidden_size: 32,
      image_size: 30,
      intermediate_size: 40,
      num_attention_heads: 2,
      num_hidden_layers: 2,
      patch_size: 14,
    },
    ...overrides,
  };
}

export interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** The safetensors header of every tensor a config and a kind ask for, in BF16, and the bytes of its data. */
export function headerFor(
  config: Record<string, unknown>,
  kind: HyperKind = "fused",
): { header: Header; bytes: number } {
  const header: Header = {};
  let bytes = 0;
  for (const { source, shape } of tensorLayout(
    parseConfig(config, "config.json"),
    kind,
    config.tie_word_embeddings === true,
  )) {
    const size = 2 * shape.reduce((a, b) => a * b, 1);
    header[source] = { dtype: "BF16", shape, data_offsets: [bytes, bytes + size] };
    bytes += size;
  }
  return { header, bytes };
}

/** A safetensors file whose values are all zero; large ones take no room on the disk. */
export function writeZeros(path: string, header: Header, bytes: number): void {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const fd = openSync(path, "w");
  writeSync(fd, length);
  writeSync(fd, json);
  ftruncateSync(fd, 8 + json.length + bytes);
  closeSync(fd);
}

/** A whole checkpoint folder of zeros with the golden tokenizer. */
export function writeCheckpoint(folder: string, overrides: Record<string, unknown> = {}, kind?: HyperKind): void {
  mkdirSync(folder, { recursive: true });
  const config = tinyConfig(overrides);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "generation_config.json"])
    cpSync(join(goldenCheckpoint, file), join(folder, file));
  const { header, bytes } = headerFor(config, kind);
  writeZeros(join(folder, "model.safetensors"), header, bytes);
}
