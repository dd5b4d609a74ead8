import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { listModels, removeModel } from "../../../src/models/list.js";
import { finishPull, type PullOptions, pullModel } from "../../../src/models/pull.js";
import { tinyConfig } from "../../support/checkpoint.js";
import { noise, repo } from "../../support/hub.js";
import { atWeights, kinds, Pulling, partSize, total, weights } from "../../support/pulling.js";

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;

describe.each(kinds)("%s", (kind) => {
  const here = new Pulling(kind);

  test("fetches what a conversion needs, in parts, with progress to the last byte", async () => {
    const seen: number[] = [];
    const pulled = await here.pull({ onProgress: (p) => seen.push(p.bytesDone / p.bytesTotal) });
    here.expectWhole();
    expect(pulled).toMatchObject({ repo, name: here.name, hub: kind, checkpoint: here.checkpoint, already: false });
    expect(pulled.gguf).toBe(path.join(here.modelFolder, "tiny-owl-q4_k_m.gguf"));
    expect(seen.at(-1)).toBe(1);
    expect(here.hub.sent()).toBe(total);
    expect(here.hub.requests.filter((r) => r.file === "model.safetensors").length).toBe(
      Math.ceil(weights.length / partSize),
    );
    expect(here.hub.requests.some((r) => r.file === "README.md")).toBe(false);
  });

  test("a second pull fetches nothing; offline neither asks nor fetches", async () => {
    await here.pull();
    const sent = here.hub.sent();
    expect((await here.pull()).already).toBe(true);
    expect(here.hub.sent()).toBe(sent);
    const requests = here.hub.requests.length;
    expect((await here.pull({ offline: true })).checkpoint).toBe(here.checkpoint);
    expect((await here.pull({ env: { HF_HUB_OFFLINE: "1" } })).checkpoint).toBe(here.checkpoint);
    expect(here.hub.requests.length).toBe(requests);
    rmSync(path.join(here.checkpoint, "config.json"));
    await expect(here.pull({ offline: true })).rejects.toThrow(
      "config.json is not here, and nothing is fetched offline.",
    );
  });

  test("too little free disk is said before anything is fetched", async () => {
    await expect(here.pull({ freeBytes: async () => 1_000_000 })).rejects.toThrow(
      /needs 1\.\d MB more in .*, where 1\.0 MB are free/,
    );
    expect(here.hub.sent()).toBe(0);
  });

  test.each<[string, Buffer, RegExp]>([
    ["another family", json({ model_type: "x".repeat(1e5) }), /model_type must be "mplugowl3", found "x{39}\.\.\.\.$/],
    ["a scaled rope", json(tinyConfig({ rope_scaling: { type: "yarn" } })), /rope_scaling must be null/],
    ["no JSON", Buffer.from("{"), /^(ms:)?someone\/tiny-owl\/config\.json is not valid JSON\.$/],
    ["a list", json([]), /is not a JSON object/],
    ["nothing", json({}), /num_hidden_layers must be .*, found nothing/],
    ["a deep nest", Buffer.from(`{"num_hidden_layers": ${nested}}`), /found a value that is nested too deeply/],
    ["a megabyte", json({ ...tinyConfig(), x: "x".repeat(2 ** 20) }), /config\.json has \d+ bytes; at most 1048576/],
  ])(
    "config.json of %s is refused before anything else is fetched, and no folder is left",
    async (_, config, message) => {
      here.hub.files["config.json"] = config;
      await expect(here.pull()).rejects.toThrow(message);
      await expect(here.pull()).rejects.toMatchObject({ name: "ModelFileError", exitCode: 4 });
      expect(here.hub.sent()).toBe(2 * (config.length > 2 ** 20 ? 0 : config.length));
      expect(await listModels(here.folder)).toEqual([]);
      expect(readdirSync(here.folder)).toEqual([]);
    },
  );

  test("config.json is fetched before anything else, and a refused one takes nothing that was here", async () => {
    const pulled = await here.pull();
    const order = here.hub.requests.map((r) => r.file).filter(Boolean);
    expect(order[0]).toBe("config.json");
    expect(order.lastIndexOf("config.json")).toBe(0);
    writeFileSync(pulled.gguf, "GGUF");
    await finishPull(pulled);
    here.hub.files["config.json"] = json(tinyConfig({ rope_scaling: { type: "yarn" } }));
    await expect(here.pull({ type: "q8_0" })).rejects.toThrow("rope_scaling must be null");
    expect(await listModels(here.folder)).toMatchObject([{ name: here.name, gguf: [{ path: pulled.gguf }] }]);
    expect(existsSync(path.join(here.checkpoint, "model.safetensors"))).toBe(true);
  });

  test.each<[string, Partial<PullOptions>, Record<string, Buffer> | undefined]>([
    ["a hub that refuses every file", {}, undefined],
    ["a GGUF file that the hub refuses", {}, { "q4/owl.gguf": noise(1000) }],
    ["too little disk", { freeBytes: async () => 0 }, undefined],
    ["a repository that the hub does not have", { revision: "none" }, undefined],
    ["nothing here offline", { offline: true }, undefined],
  ])("%s leaves no folder", async (_, options, files) => {
    if (files) here.hub.files = files;
    here.hub.trouble = ({ file }, res) => file !== undefined && Boolean(res.writeHead(403).end());
    await expect(here.pull(options)).rejects.toThrow();
    expect(readdirSync(here.folder)).toEqual([]);
  });

  test("a LoRA adapter is refused with what to do; one beside a whole model is left out", async () => {
    const adapter = { "adapter_config.json": json({}), "adapter_model.safetensors": noise(1000) };
    const config = here.hub.files["config.json"] as Buffer;
    for (const files of [adapter, { ...adapter, "config.json": config }]) {
      here.hub.files = files;
      await expect(here.pull()).rejects.toThrow(
        /^(ms:)?someone\/tiny-owl is a LoRA adapter, .*: merge it into its base model/,
      );
    }
    expect(here.hub.sent()).toBe(0);
    expect(readdirSync(here.folder)).toEqual([]);
    here.hub.files = { ...adapter, "config.json": config, "model.safetensors": weights };
    await here.pull();
    expect(readdirSync(here.checkpoint).sort()).toEqual(["config.json", "model.safetensors"]);
  });

  test("names from the hub never leave the folder", async () => {
    for (const name of ["../../evil.gguf", "/etc/x.gguf", "a/../../x.gguf", "..\\x.gguf", ".hidden.gguf", "con.gguf"]) {
      here.hub.files = { [name]: Buffer.from("x") };
      await expect(here.pull()).rejects.toThrow("which is no name for a file here");
    }
    await expect(pullModel("../x/y", { type: "q8_0", folder: here.folder, env: {} })).rejects.toThrow("names no model");
    await expect(pullModel("a/..", { type: "q8_0", folder: here.folder, env: {} })).rejects.toThrow("names no model");
    expect(readdirSync(here.folder)).toEqual([]);
  });

  test("ready GGUF files are taken as they are: by type, by name, or the only one", async () => {
    here.hub.files = { "owl-Q4_K_M.gguf": noise(1000), "owl-Q8_0.gguf": noise(2000) };
    const pulled = await here.pull();
    expect(pulled.checkpoint).toBeUndefined();
    expect(path.basename(pulled.gguf)).toBe("owl-Q4_K_M.gguf");
    expect(readFileSync(pulled.gguf).length).toBe(1000);
    expect((await here.pull()).already).toBe(true);
    expect(path.basename((await here.pull({ file: "owl-Q8_0.gguf" })).gguf)).toBe("owl-Q8_0.gguf");
    await expect(here.pull({ type: "f16" })).rejects.toThrow(/has 2 GGUF files \(/);
    await expect(here.pull({ file: "none.gguf" })).rejects.toThrow("no GGUF file");
    here.hub.files = { "README.md": Buffer.from("x") };
    await expect(here.pull()).rejects.toThrow("neither a safetensors checkpoint nor a GGUF file");
  });

  test("what was damaged on the disk between two runs is found and fetched again, and no more", async () => {
    here.hub.trouble = atWeights(
      (n) => n >= 8,
      (_request, res) => Boolean(res.writeHead(403).end()),
    );
    await expect(here.pull({ connections: 1 })).rejects.toThrow("refused access to model.safetensors");
    const part = path.join(here.checkpoint, "model.safetensors.part");
    const state = JSON.parse(readFileSync(`${part}.json`, "utf8"));
    const arrived = state.parts.filter(Boolean).length;
    expect(arrived).toBeGreaterThan(3);
    const bytes = readFileSync(part);
    bytes[partSize + 5] = (bytes[partSize + 5] as number) ^ 255;
    writeFileSync(part, bytes);
    here.hub.trouble = () => false;
    const before = here.hub.sent("model.safetensors");
    await here.pull();
    here.expectWhole();
    expect(here.hub.sent("model.safetensors") - before).toBe(weights.length - arrived * partSize + partSize);
  });

  test("a file that changes on the hub begins anew; nonsense notes are ignored", async () => {
    here.hub.trouble = atWeights(
      (n) => n >= 4,
      (_request, res) => Boolean(res.writeHead(403).end()),
    );
    await expect(here.pull({ connections: 1 })).rejects.toThrow();
    here.hub.trouble = () => false;
    here.hub.files["model.safetensors"] = noise(weights.length, 99);
    await here.pull();
    here.expectWhole();
    rmSync(path.join(here.checkpoint, "model.safetensors"));
    writeFileSync(path.join(here.checkpoint, "model.safetensors.part"), "xx");
    writeFileSync(path.join(here.checkpoint, "model.safetensors.part.json"), '{"size": 1000003, "parts": 7}');
    writeFileSync(path.join(here.modelFolder, "pull.json"), "{");
    await here.pull();
    here.expectWhole();
  });

  test("the state of a file that has its name already is removed: a run was killed between the two", async () => {
    await here.pull();
    const state = path.join(here.checkpoint, "config.json.part.json");
    writeFileSync(state, "{}");
    await here.pull();
    here.expectWhole();
    expect(existsSync(state)).toBe(false);
  });

  test("two at once: the second is told; a lock of a dead process is taken over", async () => {
    here.hub.trouble = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return false;
    };
    const first = here.pull();
    await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(here.pull()).rejects.toThrow(`another owl3 (process ${process.pid})`);
    await first;
    writeFileSync(path.join(here.modelFolder, "pull.lock"), JSON.stringify({ pid: 999_999_999, host: hostname() }));
    await here.pull();
  });

  test("aborting stops, and a later run goes on", async () => {
    const controller = new AbortController();
    await expect(
      here.pull({ signal: controller.signal, onProgress: (p) => p.bytesDone > 500_000 && controller.abort() }),
    ).rejects.toThrow();
    await here.pull();
    here.expectWhole();
  });

  test("models are listed and removed, conversions noted", async () => {
    expect(await listModels(path.join(here.folder, "none"))).toEqual([]);
    const pulled = await here.pull();
    expect(await listModels(here.folder)).toMatchObject([{ name: here.name, hub: kind, partial: true, gguf: [] }]);
    writeFileSync(pulled.gguf, "GGUF");
    await finishPull(pulled, { deleteSource: true });
    expect(existsSync(here.checkpoint)).toBe(false);
    expect(await listModels(here.folder)).toMatchObject([
      { name: here.name, partial: false, gguf: [{ path: pulled.gguf, bytes: 4 }] },
    ]);
    const sent = here.hub.sent();
    expect(await here.pull()).toMatchObject({ already: true, gguf: pulled.gguf });
    expect(await here.pull({ offline: true })).toMatchObject({ already: true });
    expect(here.hub.sent()).toBe(sent);
    await removeModel(here.name, here.folder);
    expect(readdirSync(here.folder)).toEqual([]);
    await expect(removeModel(here.name, here.folder)).rejects.toThrow("is not in");
  });
});
