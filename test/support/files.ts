import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

/** The root of the repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));
export const fixtures = join(root, "test/fixtures");

/** A new folder that is removed at the end of the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "owl3-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
