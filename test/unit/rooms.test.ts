import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/files.js";

const files = (pattern: string): string[] =>
  execFileSync("git", ["ls-files", pattern], { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean);

/** The rooms that each room may use besides itself (ARCHITECTURE.md). Data goes one way: nothing points back. */
const typescript: Record<string, string[]> = {
  errors: [],
  abort: [],
  cleanup: [],
  lock: ["errors", "cleanup"],
  folders: [],
  files: ["cleanup"],
  config: ["errors", "check", "folders", "files"],
  format: [],
  version: [],
  check: ["errors"],
  prompt: ["errors", "check"],
  media: ["errors", "check", "files", "prompt"],
  models: ["errors", "check", "config", "folders", "lock", "format", "gguf", "convert"],
  native: ["errors"],
  constrain: ["errors", "native"],
  gguf: ["errors", "native"],
  convert: ["errors", "check", "native", "gguf"],
  vision: ["errors", "folders", "files", "abort", "native", "media", "prompt"],
  decode: ["errors", "check", "abort", "format", "native"],
  score: ["decode"],
  sessions: ["errors", "folders", "files", "lock", "cleanup", "media", "prompt"],
  logs: ["errors", "folders"],
  worker: ["errors", "files", "native", "constrain", "media", "prompt", "decode", "chat"],
  client: ["errors", "constrain", "decode", "media", "prompt"],
  server: ["errors", "version", "media", "prompt", "constrain", "worker"],
  find: [],
  chat: [
    "errors",
    "check",
    "models",
    "format",
    "version",
    "native",
    "gguf",
    "media",
    "prompt",
    "vision",
    "decode",
    "score",
    "find",
    "constrain",
  ],
  rows: ["errors", "abort", "lock", "cleanup"],
  eval: ["errors", "check", "native", "media", "prompt", "chat", "rows"],
  batch: ["errors", "check", "lock", "media", "prompt", "constrain", "decode", "chat", "rows"],
  bench: ["format", "native", "gguf", "convert", "decode"],
  cli: [
    "errors",
    "check",
    "cleanup",
    "config",
    "files",
    "folders",
    "format",
    "version",
    "prompt",
    "media",
    "models",
    "native",
    "gguf",
    "convert",
    "vision",
    "find",
    "constrain",
    "chat",
    "worker",
    "client",
    "server",
    "rows",
    "eval",
    "batch",
    "sessions",
    "logs",
    "bench",
  ],
  index: [
    "errors",
    "constrain",
    "prompt",
    "media",
    "native",
    "gguf",
    "convert",
    "vision",
    "decode",
    "score",
    "find",
    "chat",
    "client",
  ],
};
const native: Record<string, string[]> = {
  base: [],
  gguf: ["base"],
  convert: ["base", "gguf"],
  image: ["base"],
  constrain: ["base"],
  sample: ["base", "gguf", "ops"],
  ops: ["base", "gguf"],
  cpu: ["base", "gguf", "ops"],
  cuda: ["base", "gguf", "ops"],
  backends: ["base", "ops", "cpu"],
  model: ["base", "gguf", "ops"],
  addon: ["base", "gguf", "convert", "image", "sample", "ops", "backends", "model", "constrain"],
};

/** The files of src that a file of src imports, types and dynamic imports included. */
function imports(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(/(?:from |import\()"(\.[^"]*)"/g)].map(([, target]) =>
    path.join(path.dirname(file), target as string).replace(/\.js$/, ".ts"),
  );
}

const roomOf = (file: string): string => (file.split("/")[1] as string).replace(/\.ts$/, "");

test("rooms: TypeScript imports follow the arrows", () => {
  const wrong = files("src/*.ts").flatMap((file) =>
    imports(file)
      .filter((target) => roomOf(target) !== roomOf(file) && !typescript[roomOf(file)]?.includes(roomOf(target)))
      .map((target) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("rooms: no file of src imports itself over others", () => {
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, above: string[]): void => {
    if (above.includes(file)) circles.push([...above.slice(above.indexOf(file)), file].join(" -> "));
    else if (!finished.has(file)) for (const target of imports(file)) visit(target, [...above, file]);
    finished.add(file);
  };
  for (const file of files("src/*.ts")) visit(file, []);
  expect(circles).toEqual([]);
});

test("rooms: what the CLI imports before it knows its command is light", () => {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(path.join(root, file), "utf8");
    for (const [, target = ""] of text.matchAll(/^(?:import|export) (?!type )(?:[^;]*? from )?"([^"]*)"/gm))
      if (target.startsWith(".")) visit(path.join(path.dirname(file), target).replace(/\.js$/, ".ts"));
      else if (!target.startsWith("node:")) packages.add(target);
  };
  visit("src/cli/main.ts");
  expect([...packages].sort()).toEqual(["chalk", "commander", "string-width"]);
});

test("rooms: only the CLI speaks of its options", () => {
  const wrong = files("src/*.ts")
    .filter((file) => roomOf(file) !== "cli")
    .flatMap((file) => {
      const code = readFileSync(path.join(root, file), "utf8").replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g, "");
      return [...code.matchAll(/(["'`])(?:(?!\1)[^\n])*--[a-z]/g)].map(([found]) => `${file}: ${found}`);
    });
  expect(wrong).toEqual([]);
});

test("rooms: C++ includes follow the arrows, and only the addon sees JavaScript", () => {
  const wrong: string[] = [];
  for (const file of [...files("native/*.h"), ...files("native/*.cpp")]) {
    const room = file.split("/")[1] as string;
    const text = readFileSync(path.join(root, file), "utf8");
    for (const [, target] of text.matchAll(/^#include "([^"]*)"/gm)) {
      const to = (target as string).split("/")[0] as string;
      if ((target as string).includes("/") && to !== room && !native[room]?.includes(to))
        wrong.push(`${file}: ${room} -> ${to}`);
    }
    if (room !== "addon" && /#include <(napi|node_api)\.h>/.test(text)) wrong.push(`${file}: napi.h`);
    if (room === "model" && /#include <(immintrin|arm_neon)\.h>/.test(text)) wrong.push(`${file}: intrinsics`);
  }
  expect(wrong).toEqual([]);
});
