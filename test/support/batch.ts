// Files of rows and the runs of owl3 batch over them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { owl3, place } from "./cli.js";
import { root } from "./files.js";

/** A line of results. */
export interface Line {
  id: string;
  index: number;
  text: string | null;
  error: { code: string; message: string } | null;
  [other: string]: unknown;
}
export const star = "Does the picture show a blue star?";
export const parsed = (text: string): Line[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
export const sorted = (text: string): string => text.trimEnd().split("\n").sort().join("\n");
export const read = (file: string): string => readFileSync(file, "utf8");
export const jsonl = (values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");
export const batch = (...args: string[]) => owl3("batch", "--no-cache", "-q", ...args);

const pictures = ["shapes.png", "before.png", "after.png", "six.png"];
/** Rows about pictures of examples; most are drawn, so that seeds matter. */
export const makeRows = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `row ${i}`,
    image: join(root, "examples", pictures[i % pictures.length] as string),
    prompt: i % 3 === 0 ? star : "What is in this picture?",
    temperature: i % 2 ? 1.2 : 0,
    max_tokens: 8,
  }));

/** A file of rows in a folder of its own, and a name for their results there. */
export function rowsFile(rows: object[]): { folder: string; file: string; results: string } {
  const folder = place();
  const file = join(folder, "rows.jsonl");
  writeFileSync(file, jsonl(rows));
  return { folder, file, results: join(folder, "out.jsonl") };
}

/** The results of an undisturbed run. */
export const whole = (() => {
  let made: string | undefined;
  return (): string => {
    if (made === undefined) {
      const { file, results } = rowsFile(makeRows(24));
      expect(batch(file, "-o", results, "--concurrency", "1").code).toBe(0);
      made = read(results);
    }
    return made;
  };
})();
