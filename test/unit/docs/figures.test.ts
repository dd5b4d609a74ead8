import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { shortNames } from "../../../src/models/names.js";
import { root } from "../../support/files.js";

const text = (file: string) => readFileSync(path.join(root, file), "utf8");
const readme = text("README.md");

describe("a figure of the README", () => {
  const figures = [...readme.matchAll(/\[([^\]]*\d (?:s|MB|GB)\b[^\]]*)\]\(([^)]+)\)/g)];
  test("is there", () => {
    expect(figures.length).toBeGreaterThan(6);
  });
  for (const [, shown = "", page = ""] of figures)
    test(`${shown} is on ${page}`, () => {
      for (const [figure] of shown.matchAll(/\d+(\.\d+)? (s|MB|GB)/g)) expect(text(page)).toContain(figure);
    });
});

describe("docs/models.md", () => {
  const rows = [...text("docs/models.md").matchAll(/^\| `(\S+)` \| `mPLUG\/(\S+)` \| ([\d.]+) GB \|/gm)];
  test("has every short name with its repository", () => {
    const named = Object.fromEntries(rows.map(([, name, repository]) => [name, repository]));
    expect(named).toEqual(shortNames);
  });
  for (const [, name, , size = ""] of rows)
    test(`says of ${name} what the README and the help of pull say`, () => {
      const row = readme.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
      if (row) expect(row).toContain(`| ${size} GB |`);
      expect(text("src/cli/commands/pull.ts")).toMatch(new RegExp(`\\b${size}\\b`));
    });
});
