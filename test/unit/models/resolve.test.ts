import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configPath, modelFolder, repoFolder, repoName, repoOfFolder, safeFile } from "../../../src/models/folder.js";
import { resolveModel } from "../../../src/models/resolve.js";

let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "owl3-resolve-"));
  env = { HOME: home, OWL3_HOME: path.join(home, "models"), XDG_CONFIG_HOME: path.join(home, "config") };
});
afterEach(() => rmSync(home, { recursive: true }));

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
  expect(notes).toEqual([expect.stringContaining("owl3 pull 7b")]);
  put(configPath(env), JSON.stringify({ model: "../../two.gguf" }));
  expect(await resolve()).toBe(two);
  put(configPath(env), JSON.stringify({ model: "~/two.gguf", other: 1 }));
  expect(await resolve()).toBe(two);
  expect(await resolve({ OWL3_MODEL: one })).toBe(one);
  expect(notes.length).toBe(1);
  put(configPath(env), "{");
  await expect(resolve()).rejects.toThrow("is not JSON.");
  put(configPath(env), '{"model": 3}');
  await expect(resolve()).rejects.toThrow('"model" must be');
  put(configPath(env), "{}");
  expect(await resolve()).toBe(demo);
  await expect(resolveModel(undefined, { env, fallback: path.join(home, "none") })).rejects.toThrow(
    "no model was chosen",
  );
});

test("what is not there is one sentence that helps", async () => {
  await expect(resolveModel("7b", { env })).rejects.toThrow("`owl3 pull 7b` fetches it.");
  await expect(resolveModel("./none.gguf", { env })).rejects.toThrow("There is no file ./none.gguf.");
  await expect(resolveModel(home, { env })).rejects.toMatchObject({ name: "FolderError", path: home });
  put(path.join(home, "models/a--b/checkpoint/config.json"));
  await expect(resolveModel("a/b", { env })).rejects.toThrow("is not complete");
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
    expect(() => repoName(name)).toThrow("names no model");
  expect(repoFolder("/m", "7b")).toBe(path.join("/m", "mPLUG--mPLUG-Owl3-7B-241101"));
  expect(repoOfFolder("a--b")).toBe("a/b");
  expect(repoOfFolder("..")).toBeUndefined();
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
