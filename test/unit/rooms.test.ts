import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = (pattern: string): string[] =>
  execFileSync("git", ["ls-files", pattern], { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean);

/** What a room may use besides itself (ARCHITECTURE.md). Data goes one way: nothing points back. */
const typescript: Record<string, string[]> = {
  errors: [],
  prompt: ["errors"],
  media: ["errors", "prompt"],
  models: ["errors"],
  engine: ["errors", "prompt", "media"],
  convert: ["errors", "engine"],
  bench: ["errors", "engine", "convert", "media", "prompt"],
  cli: ["errors", "prompt", "media", "models", "engine", "convert", "bench"],
  index: ["errors", "prompt", "engine", "convert", "media", "models"],
};
const native: Record<string, string[]> = {
  base: [],
  gguf: ["base"],
  convert: ["base", "gguf"],
  image: ["base"],
  sample: ["base"],
  ops: ["base", "gguf"],
  cpu: ["base", "gguf", "ops"],
  model: ["base", "gguf", "ops"],
  addon: ["base", "gguf", "convert", "image", "sample", "ops", "model"],
};

test("rooms: TypeScript imports follow the arrows", () => {
  const wrong: string[] = [];
  for (const file of files("src/*.ts")) {
    const room = (path.relative("src", file).split("/")[0] as string).replace(/\.ts$/, "");
    for (const [, target] of readFileSync(path.join(root, file), "utf8").matchAll(/(?:from |import\()"(\.[^"]*)"/g)) {
      const found = path.relative("src", path.join(path.dirname(file), target as string)).split("/")[0] as string;
      const to = found.replace(/\.js$/, "");
      if (to !== room && !typescript[room]?.includes(to)) wrong.push(`${file}: ${room} -> ${to}`);
    }
  }
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
