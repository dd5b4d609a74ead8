import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
}).split("\n");

/** Words in backticks that look like a path of the repository; what a build or a user makes is none. */
function paths(text: string): string[] {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].flatMap((match) => (match[1] as string).split(/\s+/));
  return spans
    .map((word) => word.replace(/[,;:]$/, ""))
    .filter((word) => /^[\w.*/-]+$/.test(word) && !/^(build|dist|node_modules|\.\.|-)/.test(word))
    .filter(
      (word) =>
        /^(bin|src|native|test|tools|models|examples|\.ci)\//.test(word) ||
        /\w\.(ts|mjs|js|h|cpp|inc|py|md|toml|json|txt|cmake)$/.test(word),
    );
}

/**
 * Whether tracked files have this path, whole or as the end of theirs (`chat/chat.ts` in a sentence about src). A part in capitals stands for any
 * name: `native/cpu/OP/kernels.cpp`.
 */
function exists(word: string): boolean {
  const parts = word.replace(/\/$/, "").split("/");
  const pattern = parts.map((part) =>
    part
      .replace(/[.]/g, "\\.")
      .replace(/\*/g, "[^/]*")
      .replace(/(?<![\w.])[A-Z]+(?![A-Za-z])(?!.*\.md)/g, "[^/]+"),
  );
  const regex = new RegExp(`(^|/)${pattern.join("/")}(/|$)`);
  return tracked.some((file) => regex.test(file));
}

for (const document of ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/kernels.md"])
  describe(document, () => {
    const text = readFileSync(path.join(root, document), "utf8");
    test("names only paths that are there", () => {
      expect(paths(text).length).toBeGreaterThan(2);
      expect(paths(text).filter((word) => !exists(word))).toEqual([]);
    });
  });

test("a wrong path is noticed", () => {
  expect(paths("`src/chat/chat.ts`, `npm run lint`, `tools/no/such.py --seeds 2` and `filter.ts`")).toEqual([
    "src/chat/chat.ts",
    "tools/no/such.py",
    "filter.ts",
  ]);
  expect(["tools/no/such.py", "engine/nowhere.ts", "native/OP/nowhere.cpp"].map(exists)).toEqual([false, false, false]);
  expect(["chat/chat.ts", "native/model/", "native/ROOM/CMakeLists.txt", "README.md"].map(exists)).toEqual([
    true,
    true,
    true,
    true,
  ]);
});
