import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Header, headerFor, tinyConfig, writeCheckpoint, writeZeros } from "../support/checkpoint.js";
import { owl3, place } from "../support/cli.js";

const indexName = "model.safetensors.index.json";
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const { header } = headerFor(tinyConfig());
const names = Object.keys(header);
const [first, last] = [names[0] as string, names.at(-1) as string];

/** A checkpoint whose tensors are in two shards; `change` may change which tensor is where, and what the index says. */
function sharded(change: (halves: [string[], string[]], map: Record<string, unknown>) => void = () => {}): string {
  const path = join(place(), "checkpoint");
  writeCheckpoint(path);
  rmSync(join(path, "model.safetensors"));
  const halves: [string[], string[]] = [names.slice(0, 20), names.slice(20)];
  const map: Record<string, unknown> = Object.fromEntries(
    halves.flatMap((half, n) => half.map((name) => [name, shards[n]])),
  );
  change(halves, map);
  for (const [n, half] of halves.entries()) {
    const placed: Header = {};
    let bytes = 0;
    for (const name of half) {
      const tensor = header[name] ?? { dtype: "BF16", shape: [1], data_offsets: [0, 2] };
      const size = tensor.data_offsets[1] - tensor.data_offsets[0];
      placed[name] = { ...tensor, data_offsets: [bytes, bytes + size] };
      bytes += size;
    }
    writeZeros(join(path, shards[n] as string), placed, bytes);
  }
  writeFileSync(join(path, indexName), JSON.stringify({ metadata: {}, weight_map: map }));
  return path;
}

function convert(path: string) {
  const to = place();
  return { ...owl3("convert", path, "-o", join(to, "a.gguf"), "-t", "bf16"), written: readdirSync(to), to };
}

describe("several safetensors files with an index", () => {
  test("are converted as one", () => {
    const done = convert(sharded());
    expect(done).toMatchObject({ code: 0, written: ["a.gguf"] });
    const info = JSON.parse(owl3("info", join(done.to, "a.gguf"), "--json").out);
    expect(info.model.language.num_layers).toBe(2);
  });

  const rewritten = (weight_map: unknown) => (path: string) =>
    writeFileSync(join(path, indexName), JSON.stringify({ weight_map }));
  test.each<[string, () => string, (path: string) => void, number, RegExp]>([
    [
      "a missing shard",
      sharded,
      (path) => rmSync(join(path, shards[1])),
      3,
      /model-00002-of-00002\.safetensors is missing; model\.safetensors\.index\.json names it\.$/,
    ],
    [
      "a folder for a shard",
      sharded,
      (path) => {
        rmSync(join(path, shards[1]));
        mkdirSync(join(path, shards[1]));
      },
      3,
      /model-00002-of-00002\.safetensors is missing; /,
    ],
    [
      "a file outside the folder",
      sharded,
      rewritten({ x: "../../etc/passwd" }),
      4,
      /index\.json names "\.\.\/\.\.\/etc\/passwd", which is not a file of this folder\.$/,
    ],
    ["an absolute path", sharded, rewritten({ x: "/etc/passwd" }), 4, /names "\/etc\/passwd", which is not a file of/],
    ["the folder itself", sharded, rewritten({ x: "" }), 4, /names "", which is not a file of/],
    ["a list for a file", sharded, rewritten({ x: [shards[0]] }), 4, /names a value that is no text, which/],
    ["no weight_map", sharded, rewritten(undefined), 4, /has no weight_map\.$/],
    ["a text for a weight_map", sharded, rewritten("model.safetensors"), 4, /has no weight_map\.$/],
    ["no JSON", sharded, (path) => writeFileSync(join(path, indexName), "{"), 4, /index\.json is not valid JSON\.$/],
    [
      "a tensor in two shards",
      () => sharded((halves) => halves[1].push(first)),
      () => {},
      4,
      /tensor \S+ is in two shards, \S+-00001-of-00002\.safetensors and \S+-00002-of-00002\.safetensors\.$/,
    ],
    [
      "a tensor that is not where the index says",
      () => sharded((_, map) => Object.assign(map, { [last]: shards[0] })),
      () => {},
      4,
      /tensor \S+ is missing from \S+-00001-of-00002\.safetensors, where model\.safetensors\.index\.json says it is\.$/,
    ],
    [
      "a tensor that no shard has",
      () => sharded((_, map) => Object.assign(map, { extra: shards[1] })),
      () => {},
      4,
      /tensor extra is missing from \S+-00002-of-00002\.safetensors, where/,
    ],
    [
      "a tensor that the index does not list",
      () => sharded((halves) => halves[0].push("extra")),
      () => {},
      4,
      /tensor extra of \S+-00001-of-00002\.safetensors is missing from model\.safetensors\.index\.json\.$/,
    ],
  ])("%s: one sentence, nothing written", (_, make, change, code, message) => {
    const path = make();
    change(path);
    const { written, ...run } = convert(path);
    expect(run.err.trim()).toMatch(message);
    expect(run.err.trim().split("\n")).toHaveLength(1);
    expect(run).toMatchObject({ code, out: "" });
    expect(written).toEqual([]);
  });
});

describe("a fine-tune of ms-swift", () => {
  const withArgs = (args: string | undefined): string => {
    const path = join(place(), "checkpoint-100-merged");
    writeCheckpoint(path);
    if (args !== undefined) writeFileSync(join(path, "args.json"), args);
    return path;
  };

  test("convert says what it was fine-tuned from", () => {
    const said = convert(withArgs('{"model": "iic/mPLUG-Owl3-7B-241101", "train_type": "lora"}'));
    expect(said.code).toBe(0);
    expect(said.err).toMatch(
      /^checkpoint-100-merged was fine-tuned from iic\/mPLUG-Owl3-7B-241101, says its args\.json\.\n.*a\.gguf: bf16/,
    );
    const older = convert(withArgs('{"model": null, "model_id_or_path": "/root/models/7b"}'));
    expect(older.err).toContain("was fine-tuned from /root/models/7b,");
  });

  test.each([
    ["none", undefined],
    ["no JSON", "{"],
    ["nothing", "null"],
    ["a list", '["model"]'],
    ["no model", '{"train_type": "full"}'],
    ["an object for the model", '{"model": {"toString": 1}}'],
    ["a name of many lines", '{"model": "a\\nowl3: all is well"}'],
    ["escape codes", '{"model": "\\u001b[31mred"}'],
    ["a long name", JSON.stringify({ model: "x".repeat(201) })],
    ["an empty name", '{"model": ""}'],
    ["two megabytes", JSON.stringify({ model: "x", more: "x".repeat(2 ** 21) })],
    ["a deep nest", `{"model": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
  ])("args.json with %s changes nothing", (_, args) => {
    const { code, err } = convert(withArgs(args));
    expect(code).toBe(0);
    expect(err).toMatch(/^\S+a\.gguf: bf16, [^\n]*\n$/);
  });

  test("a folder for args.json changes nothing", () => {
    const path = withArgs(undefined);
    mkdirSync(join(path, "args.json"));
    expect(convert(path)).toMatchObject({ code: 0 });
  });

  test("an adapter that was not merged is refused with what to do", () => {
    const path = withArgs('{"model": "iic/mPLUG-Owl3-7B-241101"}');
    renameSync(join(path, "model.safetensors"), join(path, "adapter_model.safetensors"));
    writeFileSync(join(path, "adapter_config.json"), "{}");
    const { code, err } = convert(path);
    expect(code).toBe(4);
    expect(err).toMatch(/is a LoRA adapter, not a whole model: merge it into its base model first/);
  });
});
