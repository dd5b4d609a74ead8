import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

// Which room may use which: ARCHITECTURE.md in a form that fails.
const root = fileURLToPath(new URL("../..", import.meta.url));
const typescript: Record<string, string[]> = {
  cli: ["media", "prompt", "engine", "models", "convert", "bench"],
  bench: ["engine", "media", "prompt", "convert"],
  engine: ["media", "prompt"],
  models: ["convert", "engine"],
  convert: ["engine"],
  media: ["prompt", "engine"],
  prompt: ["engine"],
};
const native: Record<string, string[]> = {
  addon: ["model", "sample", "image", "convert", "gguf", "cpu", "ops"],
  model: ["gguf", "ops"],
  cpu: ["ops", "gguf"],
  ops: ["gguf"],
  convert: ["gguf"],
  sample: [],
  image: [],
  gguf: [],
  base: [],
};

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => ending.test(name))
    .map((name) => path.join(root, folder, name));
}

describe("imports", () => {
  for (const [room, allowed] of Object.entries(typescript))
    test(`src/${room} uses only ${allowed.join(", ")}`, () => {
      const own = path.join(root, "src", room);
      for (const file of files(`src/${room}`, /\.ts$/))
        for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)) {
          const used = path.relative(path.join(root, "src"), path.resolve(path.dirname(file), target)).split(path.sep);
          if (used.length > 1 && path.join(root, "src", used[0] ?? "") !== own)
            expect(allowed, `${path.relative(root, file)} imports ${target}`).toContain(used[0]);
        }
    });
});

describe("includes", () => {
  for (const [room, allowed] of Object.entries(native))
    test(`native/${room} uses only ${[...allowed, "base"].join(", ")}`, () => {
      for (const file of files(`native/${room}`, /\.(h|cpp|inc)$/))
        for (const [, used = ""] of readFileSync(file, "utf8").matchAll(/#include "([a-z]+)\/[^"]+"/g))
          if (readdirSync(path.join(root, "native")).includes(used) && used !== room)
            expect([...allowed, "base"], `${path.relative(root, file)} includes ${used}`).toContain(used);
    });
  test("only native/addon includes napi.h", () => {
    for (const file of files("native", /\.(h|cpp|inc)$/))
      if (!file.includes(`${path.sep}addon${path.sep}`))
        expect(readFileSync(file, "utf8"), file).not.toMatch(/napi\.h/);
  });
});
