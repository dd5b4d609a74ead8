import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { listModels } from "../../../src/models/list.js";
import { finishPull } from "../../../src/models/pull.js";
import { commit, noise, repo } from "../../support/hub.js";
import { kinds, Pulling, weights } from "../../support/pulling.js";

const indexName = "model.safetensors.index.json";
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe.each(kinds)("%s", (kind) => {
  const here = new Pulling(kind);
  beforeEach(() => {
    const { "model.safetensors": _, ...others } = here.hub.files;
    here.hub.files = {
      ...others,
      [indexName]: json({ weight_map: { a: shards[0], b: shards[1], c: shards[0] } }),
      [shards[0]]: noise(300_000, 3),
      [shards[1]]: noise(200_000, 4),
      "args.json": json({ model: "iic/mPLUG-Owl3-7B-241101" }),
    };
  });

  test("a sharded checkpoint is fetched whole, its config.json and its index first", async () => {
    // The same weights in one file, and an adapter, are not wanted.
    Object.assign(here.hub.files, { "model.safetensors": weights, "adapter_model.safetensors": weights });
    await here.pull();
    expect(readdirSync(here.checkpoint).sort()).toEqual(
      ["args.json", "config.json", indexName, "tokenizer.json", ...shards].sort(),
    );
    for (const name of shards)
      expect(readFileSync(path.join(here.checkpoint, name)).equals(here.hub.files[name] as Buffer)).toBe(true);
    const order = here.hub.requests.map(({ file }) => file).filter((file) => file !== undefined);
    expect(order.slice(0, 2)).toEqual(["config.json", indexName]);
  });

  test("an index may list the one file of all weights", async () => {
    here.hub.files[indexName] = json({ weight_map: { a: "model.safetensors" } });
    for (const shard of shards) delete here.hub.files[shard];
    Object.assign(here.hub.files, { "model.safetensors": weights, "consolidated.safetensors": noise(1000) });
    await here.pull();
    expect(readFileSync(path.join(here.checkpoint, "model.safetensors")).equals(weights)).toBe(true);
  });

  test.each<[string, unknown, RegExp]>([
    [
      "a shard that is not listed",
      { weight_map: { a: "model-00003-of-00002.safetensors" } },
      /lists no model-00003-of-/,
    ],
    [
      "a file outside the folder",
      { weight_map: { a: "../../x" } },
      /names "\.\.\/\.\.\/x", which is not a file of this/,
    ],
    ["a number for a file", { weight_map: { a: 7 } }, /names a value that is no text/],
    ["a folder", { weight_map: { a: "." } }, /names "\."/],
    ["no weight_map", {}, /has no weight_map/],
    ["a list for a weight_map", { weight_map: [shards[0]] }, /has no weight_map/],
    ["a list", [], /is not a JSON object/],
  ])("an index with %s is refused before any weights are fetched, and no folder is left", async (_, index, message) => {
    here.hub.files[indexName] = json(index);
    await expect(here.pull()).rejects.toThrow(message);
    await expect(here.pull()).rejects.toMatchObject({ name: "ModelFileError", exitCode: 4 });
    expect(here.hub.sent(".safetensors")).toBe(0);
    expect(here.hub.sent("tokenizer.json")).toBe(0);
    expect(readdirSync(here.folder)).toEqual([]);
    expect(await listModels(here.folder)).toEqual([]);
  });

  test("args.json changes nothing in the model, and one that is large is left out", async () => {
    const pulled = await here.pull();
    writeFileSync(pulled.gguf, "GGUF");
    await finishPull(pulled, { deleteSource: true });
    here.hub.files["args.json"] = json({ model: "x".repeat(2 ** 20) });
    const sent = here.hub.sent();
    expect(await here.pull()).toMatchObject({ already: true });
    expect(here.hub.sent()).toBe(sent);
  });
});

describe("pull.json", () => {
  const here = new Pulling();

  test("one that was written before there was another hub stays valid", async () => {
    const pulled = await here.pull();
    writeFileSync(pulled.gguf, "GGUF");
    await finishPull(pulled, { deleteSource: true });
    const file = path.join(here.modelFolder, "pull.json");
    const { hub: _, ...before } = JSON.parse(readFileSync(file, "utf8"));
    expect(before).toMatchObject({ repo, commit, gguf: [path.basename(pulled.gguf)] });
    writeFileSync(file, JSON.stringify(before));
    const sent = here.hub.sent();
    expect(await here.pull()).toMatchObject({ already: true, gguf: pulled.gguf });
    expect(await here.pull({ offline: true })).toMatchObject({ already: true, gguf: pulled.gguf });
    expect(here.hub.sent()).toBe(sent);
    // A record without a commit is none of Hugging Face.
    writeFileSync(file, JSON.stringify({ ...before, commit: undefined }));
    await expect(here.pull({ offline: true })).rejects.toThrow("nothing is fetched offline");
  });

  test("another GGUF file of the same commit is not taken for the wanted one", async () => {
    here.hub.files = { "owl-Q4_K_M.gguf": noise(1000), "owl-Q8_0.gguf": noise(2000) };
    await here.pull({ file: "owl-Q8_0.gguf" });
    expect(path.basename((await here.pull({ type: "q4_k_m" })).gguf)).toBe("owl-Q4_K_M.gguf");
  });
});
