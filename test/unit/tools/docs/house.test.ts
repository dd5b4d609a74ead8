import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const file = (name: string): string => fileURLToPath(new URL(`../../../../${name}`, import.meta.url));

test("ARCHITECTURE.md shows the house as it is (node tools/docs/house.mjs draws it anew)", () => {
  const drawn = execFileSync(process.execPath, [file("tools/docs/house.mjs"), "--print"], { encoding: "utf8" }).trim();
  const [, shown] =
    /<!-- The house[^>]*-->\n\n([\s\S]*?)\n\n<!-- End of the house -->/.exec(
      readFileSync(file("ARCHITECTURE.md"), "utf8"),
    ) ?? [];
  expect(shown).toBe(drawn);
  for (const room of ["src/cli", "src/media", "native/model", "native/cpu"]) expect(drawn).toContain(`"${room}/"`);
  expect(drawn).toMatch(/native_model --> native_ops/);
});
