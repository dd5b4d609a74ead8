import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { binary, folder, run } from "../support/cli.js";
import { has, Typed } from "../support/shell.js";

// The scripts in the shells themselves. A shell that is not installed is named in the test that is skipped.
const home = path.join(folder, "home");
const here = path.join(folder, "here");
const env = {
  PATH: `${home}/bin:${process.env.PATH}`,
  HOME: home,
  OWL3_HOME: `${home}/models`,
  TERM: "dumb",
  LC_ALL: "C",
};
let typed: Typed | undefined;

beforeAll(() => {
  for (const each of ["bin", "models/someone--owl", "models/ms@iic--tuned", ".local/share/owl3/sessions/trip"])
    mkdirSync(path.join(home, each), { recursive: true });
  writeFileSync(path.join(home, ".local/share/owl3/sessions/trip/session.json"), "{}");
  writeFileSync(path.join(home, "bin/owl3"), `#!/bin/sh\nexec '${process.execPath}' '${binary}' "$@"\n`);
  chmodSync(path.join(home, "bin/owl3"), 0o755);
  mkdirSync(path.join(here, "holiday pictures"), { recursive: true });
  writeFileSync(path.join(here, "holiday photo.jpg"), "");
  writeFileSync(path.join(here, "holiday pictures/one.jpg"), "");
});
afterEach(() => typed?.kill());

const installed = (shell: string): boolean => process.platform === "linux" && has(shell);
const named = (shell: string): string => (installed(shell) ? shell : `${shell} (skipped: it is not installed here)`);
const script = (shell: string): string => run(["completion", shell], { env }).out;

test("owl3 completion SHELL prints the script; another shell is refused", () => {
  for (const shell of ["bash", "zsh", "fish"]) expect(script(shell)).toContain(`owl3 completion ${shell} --`);
  expect(run(["completion", "powershell"])).toEqual({
    code: 2,
    out: "",
    err: 'owl3: owl3 completion does not take "powershell"; it takes bash, zsh, fish.\n',
  });
});

describe.skipIf(!installed("bash"))(named("bash"), () => {
  /** The words that bash would offer; its words are given as bash takes a line apart. */
  function offered(...words: string[]): string[] {
    const list = words.map((word) => `'${word}'`).join(" ");
    const line = `${script("bash")}\nCOMP_WORDS=(owl3 ${list}) COMP_CWORD=${words.length}\n_owl3\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync("bash", ["--norc", "-c", line], { env, cwd: here, encoding: "utf8" });
    return out.split("\n").filter(Boolean);
  }

  test("commands, options, choices, models and sessions", () => {
    expect(offered("ses")).toEqual(["sessions"]);
    expect(offered("chat", "--max-")).toEqual(["--max-tokens", "--max-frames"]);
    expect(offered("chat", "--kv-type", "=", "q")).toEqual(["q8_0"]);
    expect(offered("chat", "-m", "s")).toEqual(["someone/owl"]);
    expect(offered("chat", "-m", "ms", ":", "ii")).toEqual(["iic/tuned"]);
    expect(offered("sessions", "show", "")).toEqual(["trip"]);
    expect(offered("chat", "holi")).toEqual([]);
  });

  test("at the keyboard: a command, an option, its value, and a file with a space in its name", async () => {
    writeFileSync(
      path.join(home, "bashrc"),
      `PS1='READY> '\nbind 'set enable-bracketed-paste off'\n${script("bash")}\ncd '${here}'\n`,
    );
    typed = new Typed(`bash --rcfile '${home}/bashrc' -i`, env);
    await typed.type("", /READY> /);
    await typed.type("owl3 cha\t", /owl3 chat /);
    await typed.type("--kv-ty\t", /--kv-type /);
    await typed.type("q\t", /q8_0 /);
    await typed.type("holiday\\ ph\t", /holiday\\ photo\.jpg /);
    await typed.type("\u0003", /READY> /);
    await typed.type("owl3 convert ho\t", /holiday\\ pictures\//);
  });
});

describe.skipIf(!installed("zsh"))(named("zsh"), () => {
  test("at the keyboard: a command, an option, its value, a model, a session and a file", async () => {
    const setup = "PS1='READY> '\nautoload -Uz compinit && compinit -u\nunsetopt zle_bracketed_paste 2>/dev/null\n";
    writeFileSync(path.join(home, ".zshrc"), `${setup}${script("zsh")}\ncd '${here}'\n`);
    typed = new Typed("zsh -i", { ...env, ZDOTDIR: home });
    await typed.type("", /READY> /);
    await typed.type("owl3 cha\t", /owl3 chat /);
    await typed.type("--kv-ty\t", /--kv-type /);
    await typed.type("q\t", /q8_0 /);
    await typed.type("--kv-type=f3\t", /--kv-type=f32 /);
    await typed.type("-m ms:\t", /ms:iic\/tuned /);
    await typed.type("--session tr\t", /trip /);
    await typed.type("holiday\\ ph\t", /holiday\\ photo\.jpg /);
    await typed.type("\u0003", /READY> /);
    await typed.type("owl3 convert ho\t", /holiday\\ pictures\//);
  });
});

describe.skipIf(!installed("fish"))(named("fish"), () => {
  /** The words that fish would offer for a line, without what it says about them. */
  function offered(line: string): string[] {
    const commands = `${script("fish")}\ncd '${here}'\ncomplete -C '${line}'`;
    const out = execFileSync("fish", ["--no-config", "-c", commands], { env, encoding: "utf8" });
    return out
      .split("\n")
      .filter(Boolean)
      .map((each) => each.split("\t")[0] as string);
  }

  test("commands, options, choices, models, sessions and files", () => {
    expect(offered("owl3 ses")).toEqual(["sessions"]);
    expect(offered("owl3 ")).toContain("chat");
    expect(offered("owl3 chat --max-").sort()).toEqual(["--max-frames", "--max-tokens"]);
    expect(offered("owl3 chat --kv-type=q")).toEqual(["--kv-type=q8_0"]);
    expect(offered("owl3 chat -m ms:")).toEqual(["ms:iic/tuned"]);
    expect(offered("owl3 sessions show ")).toEqual(["trip"]);
    expect(offered("owl3 chat hol").sort()).toEqual(["holiday photo.jpg", "holiday pictures/"]);
    expect(offered("owl3 convert hol")).toEqual(["holiday pictures/"]);
    expect(offered("owl3 chat -p ")).toEqual([]);
  });
});
