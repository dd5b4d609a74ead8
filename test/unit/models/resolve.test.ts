import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { configPath } from "../../../src/config.js";
import { modelFolder, modelOfFolder, repoFolder, safeFile } from "../../../src/models/folder.js";
import { elsewhere, formatName, parseName, shortNames } from "../../../src/models/names.js";
import { resolveModel } from "../../../src/models/resolve.js";

let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "owl3-resolve-"));
  env = { HOME: home, OWL3_HOME: path.join(home, "models"), XDG_CONFIG_HOME: path.join(home, "config") };
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

function put(file: string, text = "GGUF"): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

test("a path, a pulled model's name, its short name", async () => {
  const file = put(path.join(home, "x.gguf"));
  expect(await resolveModel(file, { env })).toBe(file);
  const pulled = put(path.join(home, "models/mPLUG--mPLUG-Owl3-7B-241101/a.gguf"));
  expect(await resolveModel("mPLUG/mPLUG-Owl3-7B-241101", { env })).toBe(pulled);
  expect(await resolveModel("7b", { env })).toBe(pulled);
  expect(await resolveModel("7B", { env })).toBe(pulled);
});

test("without a name: OWL3_MODEL, then the config file, then the demo model with a note", async () => {
  const demo = put(path.join(home, "demo.gguf"));
  const one = put(path.join(home, "one.gguf"));
  const two = put(path.join(home, "two.gguf"));
  const notes: string[] = [];
  const resolve = (more: NodeJS.ProcessEnv = {}) =>
    resolveModel(undefined, { env: { ...env, ...more }, fallback: demo, note: (line) => notes.push(line) });
  expect(await resolve()).toBe(demo);
  expect(notes).toEqual([expect.stringContaining("owl3 pull 2b")]);
  put(configPath(env), JSON.stringify({ model: "../../two.gguf" }));
  expect(await resolve()).toBe(two);
  vi.stubEnv("HOME", home);
  put(configPath(env), JSON.stringify({ model: "~/two.gguf" }));
  expect(await resolve()).toBe(two);
  expect(await resolve({ OWL3_MODEL: one })).toBe(one);
  expect(notes.length).toBe(1);
  put(configPath(env), JSON.stringify({ modle: "7b" }));
  await expect(resolve()).rejects.toThrow('config.json: unknown key "modle"; did you mean "model"?');
  put(configPath(env), "[]");
  await expect(resolve()).rejects.toThrow("expected an object");
  put(configPath(env), "{");
  await expect(resolve()).rejects.toThrow("is not JSON, which has no comments");
  put(configPath(env), '{"model": 3}');
  await expect(resolve()).rejects.toThrow("model must be a file or a model's name, not 3.");
  put(configPath(env), "{}");
  expect(await resolve()).toBe(demo);
  await expect(resolveModel(undefined, { env, fallback: path.join(home, "none") })).rejects.toThrow(
    "no model was chosen",
  );
});

test("what is not there is one sentence that helps", async () => {
  await expect(resolveModel("", { env })).rejects.toThrow("the model's name is empty");
  await expect(resolveModel("models/none.gguf", { env })).rejects.toThrow("there is no file models/none.gguf.");
  await expect(resolveModel("dmeo", { env })).rejects.toThrow("there is no model or file dmeo; did you mean demo?");
  await expect(resolveModel("nosuch", { env })).rejects.toThrow(
    "`owl3 models` lists those that are here, and `owl3 pull` fetches 7b, 2b",
  );
  expect(path.basename(await resolveModel("demo", { env }))).toBe("owl3-demo.gguf");
  await expect(resolveModel("7b", { env })).rejects.toThrow("`owl3 pull 7b` fetches it.");
  await expect(resolveModel("./none.gguf", { env })).rejects.toThrow("there is no file ./none.gguf.");
  await expect(resolveModel(home, { env })).rejects.toMatchObject({ name: "FolderError", path: home });
  put(path.join(home, "models/a--b/checkpoint/config.json"));
  await expect(resolveModel("a/b", { env })).rejects.toThrow("is not complete");
});

test("short names are the published repositories of each hub", () => {
  expect(Object.keys(shortNames).map((name) => parseName(name, "hf").repo)).toEqual([
    "mPLUG/mPLUG-Owl3-7B-241101",
    "mPLUG/mPLUG-Owl3-2B-241014",
    "mPLUG/mPLUG-Owl3-1B-241014",
    "mPLUG/mPLUG-Owl3-7B-240728",
  ]);
  expect(Object.keys(shortNames).map((name) => parseName(`ms:${name}`, "hf").repo)).toEqual([
    "iic/mPLUG-Owl3-7B-241101",
    "iic/mPLUG-Owl3-2B-241014",
    "iic/mPLUG-Owl3-1B-241014",
    "iic/mPLUG-Owl3-7B-240728",
  ]);
});

test("a prefix names the hub, else the default is taken, and a name that is shown is parsed to the same", () => {
  expect(parseName("ms:iic/x", "hf")).toEqual({ hub: "modelscope", repo: "iic/x" });
  expect(parseName("hf:a/x", "modelscope")).toEqual({ hub: "hf", repo: "a/x" });
  expect(parseName("a/x", "modelscope")).toEqual({ hub: "modelscope", repo: "a/x" });
  for (const hub of ["hf", "modelscope"] as const)
    for (const fallback of ["hf", "modelscope"] as const) {
      const model = { hub, repo: "a/x" };
      expect(parseName(formatName(model, { OWL3_HUB: fallback }), fallback)).toEqual(model);
    }
  expect(formatName({ hub: "hf", repo: "a/x" }, {})).toBe("a/x");
  const certain = true;
  expect(elsewhere(parseName("7b", "hf"))).toEqual({ hub: "modelscope", name: "ms:iic/mPLUG-Owl3-7B-241101", certain });
  expect(elsewhere(parseName("ms:1b", "hf"))).toEqual({ hub: "hf", name: "hf:mPLUG/mPLUG-Owl3-1B-241014", certain });
  expect(elsewhere(parseName("a/x", "hf"))).toEqual({ hub: "modelscope", name: "ms:a/x", certain: false });
});

test("a model of either hub is found by its name; OWL3_HUB goes first, and a prefix decides", async () => {
  const ofModelScope = put(path.join(home, "models/ms@iic--mPLUG-Owl3-7B-241101/a.gguf"));
  expect(await resolveModel("7b", { env })).toBe(ofModelScope);
  expect(await resolveModel("ms:7b", { env })).toBe(ofModelScope);
  expect(await resolveModel("iic/mPLUG-Owl3-7B-241101", { env })).toBe(ofModelScope);
  await expect(resolveModel("hf:7b", { env })).rejects.toThrow("`owl3 pull hf:7b` fetches it.");
  const ofHuggingFace = put(path.join(home, "models/mPLUG--mPLUG-Owl3-7B-241101/a.gguf"));
  expect(await resolveModel("7b", { env })).toBe(ofHuggingFace);
  expect(await resolveModel("7b", { env: { ...env, OWL3_HUB: "modelscope" } })).toBe(ofModelScope);
  put(configPath(env), '{"model": "ms:7b"}');
  expect(await resolveModel(undefined, { env })).toBe(ofModelScope);
  await expect(resolveModel("7b", { env: { ...env, OWL3_HUB: "x" } })).rejects.toThrow(
    'OWL3_HUB must be hf or modelscope, found "x".',
  );
});

test("names never form a path outside the model folder", () => {
  for (const name of [
    "../x",
    "a/../b",
    "a/b/c",
    "/etc/passwd",
    "a\\b",
    "a/..",
    "./a",
    "a/.b",
    "",
    "a/",
    "a b/c",
    "a/b\0",
  ])
    for (const prefix of ["", "hf:", "ms:"]) expect(() => parseName(prefix + name, "hf")).toThrow("names no model");
  expect(repoFolder("/m", parseName("7b", "hf"))).toBe(path.join("/m", "mPLUG--mPLUG-Owl3-7B-241101"));
  expect(repoFolder("/m", parseName("ms:a/b", "hf"))).toBe(path.join("/m", "ms@a--b"));
  expect(() => repoFolder("/m", { hub: "modelscope", repo: "../x" })).toThrow("names no repository");
  expect(modelOfFolder("a--b")).toEqual({ hub: "hf", repo: "a/b" });
  expect(modelOfFolder("ms@a--b")).toEqual({ hub: "modelscope", repo: "a/b" });
  for (const folder of ["..", "7b", "ms@7b", "ms@..", "hf:a--b", "ms@ms@a--b"])
    expect(modelOfFolder(folder)).toBeUndefined();
  for (const file of [
    "../x",
    "a/../b",
    "/x",
    "a//b",
    ".x",
    "a/.x",
    "x.",
    "nul",
    "COM1.txt",
    "a\\b",
    "a\nb",
    "a/b/c/d/e",
  ])
    expect(() => safeFile("/m", file)).toThrow("no name for a file here");
  expect(safeFile("/m", "a/model-00001-of-00002.safetensors")).toBe(
    path.join("/m", "a/model-00001-of-00002.safetensors"),
  );
  expect(modelFolder({ OWL3_HOME: "/x" })).toBe(path.resolve("/x"));
  expect(modelFolder({ XDG_DATA_HOME: "/d" })).toBe(path.join("/d", "owl3/models"));
  expect(modelFolder({ XDG_DATA_HOME: "relative" })).toMatch(/\.local\/share\/owl3\/models$/);
});
