// Places of the repository that the commands of this folder use, and folders that go when a command ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const program = path.join(root, "bin/owl3.js");
export const demo = path.join(root, "models/owl3-demo.gguf");
export const fixtures = path.join(root, "test/fixtures");
export const checkpoint = path.join(fixtures, "golden/model");
export const example = (name) => path.join(root, "examples", name);

/** Makes a folder that goes when the process ends. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(path.join(tmpdir(), `owl3-stress-${name}-`));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
