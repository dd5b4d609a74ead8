import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../../support/files.js";

const text = (file: string) => readFileSync(path.join(root, file), "utf8");

test("the demo model's card names the command that trains one from nothing, and has its sessions in a table", () => {
  const [, trained = ""] = /## How it was trained\n([\s\S]*?)\n## /.exec(text("models/README.md")) ?? [];
  const [command = ""] = /tools\/demo-model\/\S+(?= RUN_FOLDER)/.exec(trained) ?? [];
  expect(text(command)).toMatch(/train\.py[\s\S]*export\.py[\s\S]*evaluate\.py[\s\S]*card\.py/);
  const rows = trained.split("\n").filter((line) => line.startsWith("| "));
  expect(rows.length).toBeGreaterThan(2);
  for (const row of rows) expect(row.split(" | ")).toHaveLength(5);
});
