import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { folder, place, run } from "../support/cli.js";
import { root } from "../support/files.js";

// Fake programs in PATH print what the real ones do. They are scripts of sh, so PATH has the tools that they need under other names.
const shapes = path.join(root, "examples/shapes.png");
const answer =
  "A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right.\n";

/** Runs a chat about the clipboard with these programs, and no others, in PATH. */
function chat(programs: Record<string, string>, ...more: string[]) {
  const bin = place();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(bin, name), 0o755);
  }
  const env = { PATH: bin, HOME: folder, XDG_CACHE_HOME: folder, XDG_CONFIG_HOME: folder };
  return run(["chat", "-m", "demo", "--clipboard", "What is in this picture?", "-q", ...more], { env });
}

const print = (file: string): string => `exec /bin/cat '${file}'`;
/** Prints the types for the arguments that ask for them, and a file for those of `type`. */
const offering = (asksForTypes: string, types: string, type: string, file: string): string =>
  `case "$*" in *${asksForTypes}*) echo "${types}" ;; *"${type}"*) ${print(file)} ;; *) exit 1 ;; esac`;
const onPosix = test.skipIf(process.platform === "win32");

onPosix("wl-paste, xclip and osascript: the picture is asked about", () => {
  const wlPaste = offering("--list-types", "text/html\nimage/png\nimage/jpeg", "--type image/png", shapes);
  expect(chat({ "wl-paste": wlPaste })).toEqual({ code: 0, out: answer, err: "" });
  const xclip = offering("TARGETS", "TIMESTAMP\nimage/png", "-selection clipboard -target image/png -out", shapes);
  expect(chat({ xclip })).toEqual({ code: 0, out: answer, err: "" });
  const hex = path.join(folder, "hex");
  const digits = readFileSync(shapes).toString("hex").toUpperCase();
  writeFileSync(hex, `«data PNGf${digits}»\n`);
  expect(chat({ osascript: print(hex) })).toEqual({ code: 0, out: answer, err: "" });
});

onPosix("the first that has a picture is taken, by the type that it offers", () => {
  const jpeg = path.join(root, "test/fixtures/golden/media/red.png");
  const copy = path.join(folder, "copy");
  copyFileSync(jpeg, copy);
  const offered = offering("--list-types", "image/jpeg", "--type image/jpeg", copy);
  const { code, out } = chat({ "wl-paste": offered }, "--dry-run", "--json");
  expect([code, JSON.parse(out).media.length]).toEqual([0, 1]);
  const xclip = offering("TARGETS", "image/png", "-target image/png", shapes);
  expect(chat({ "wl-paste": "exit 1", xclip })).toEqual({ code: 0, out: answer, err: "" });
});

onPosix("no program, no picture, something else, too slow: one sentence each", () => {
  const none = "owl3: the clipboard holds no picture.\n";
  expect(chat({})).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^owl3: the clipboard can't be read: install wl-clipboard .*\n$/),
  });
  expect(chat({ "wl-paste": "echo Nothing is copied >&2; exit 1" })).toEqual({ code: 3, out: "", err: none });
  expect(chat({ xclip: "echo UTF8_STRING" })).toEqual({ code: 3, out: "", err: none });
  expect(chat({ osascript: "exit 1" })).toEqual({ code: 3, out: "", err: none });
  const text = path.join(folder, "text");
  writeFileSync(text, "hello");
  const lying = offering("--list-types", "image/png", "image/png", text);
  expect(chat({ "wl-paste": lying })).toMatchObject({
    code: 3,
    err: expect.stringContaining("the clipboard's picture is neither a picture"),
  });
  expect(chat({ xclip: "exec /bin/sleep 60" })).toEqual({
    code: 1,
    out: "",
    err: "owl3: the clipboard can't be read: xclip did not answer within 5 seconds.\n",
  });
});
