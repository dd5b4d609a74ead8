import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { clipboardPicture } from "../../../src/cli/chat/clipboard.js";
import { root, temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const mib = 2 ** 20;
afterEach(() => void vi.unstubAllEnvs());

/** Puts a script of sh alone into PATH. */
function only(program: string, script: string): void {
  const bin = mkdtempSync(path.join(folder, "bin-"));
  writeFileSync(path.join(bin, program), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(bin, program), 0o755);
  vi.stubEnv("PATH", bin);
}

/** A file with a picture of `bytes` bytes, which zeros fill up, or with AppleScript's digits of it. */
function picture(bytes: number, hex = false): string {
  const all = Buffer.alloc(bytes);
  readFileSync(path.join(root, "examples/shapes.png")).copy(all);
  const file = path.join(mkdtempSync(path.join(folder, "picture-")), "picture");
  writeFileSync(file, hex ? `«data PNGf${all.toString("hex").toUpperCase()}»\n` : all);
  return file;
}
const xclip = (types: string, file: string): string =>
  `case "$*" in *TARGETS*) ${types} ;; *) exec /bin/cat '${file}' ;; esac`;
const onPosix = test.skipIf(process.platform === "win32");

onPosix(
  "a picture may have as many bytes as are allowed, also where a program prints two digits for each",
  async () => {
    only("xclip", xclip("echo image/png", picture(mib)));
    expect(await clipboardPicture(mib)).toMatchObject({ source: { kind: "image" } });
    only("osascript", `exec /bin/cat '${picture(mib, true)}'`);
    expect(await clipboardPicture(mib)).toMatchObject({ source: { kind: "image", bytes: { length: mib } } });
  },
);

onPosix("one byte more is refused, and so is a list of types without end", async () => {
  const larger = "the clipboard's picture is larger than 1 MiB.";
  only("xclip", xclip("echo image/png", picture(mib + 1)));
  await expect(clipboardPicture(mib)).rejects.toThrow(larger);
  only("osascript", `exec /bin/cat '${picture(mib + 1, true)}'`);
  await expect(clipboardPicture(mib)).rejects.toThrow(larger);
  only("xclip", xclip("while :; do echo image/png; done", picture(10)));
  await expect(clipboardPicture(mib)).rejects.toThrow("xclip lists too many types");
});
