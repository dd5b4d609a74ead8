import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../../src/cli/main.js";
import { manPages } from "../../../src/cli/man/pages.js";
import { variables } from "../../../src/cli/reference.js";
import { ExitCode } from "../../../src/errors.js";
import { root } from "../../support/files.js";

const program = createProgram();
const pages = manPages(program, "1.2.3");
const hasGroff = spawnSync("groff", ["--version"]).status === 0;
/** Formats a page without bold letters and underlines. */
const groff = (page: string) =>
  spawnSync("groff", ["-man", "-Tutf8", "-ww", "-rLL=78n", "-P-c", "-P-b", "-P-o", "-P-u"], {
    input: page,
    encoding: "utf8",
  });
/** The text that a reader sees, in one line. */
const shown = (page: string): string => groff(page).stdout.replace(/\s+/g, " ");

test("there is a page for owl3 and each command, and package.json lists all of them for npm to install", () => {
  const names = ["owl3.1", ...program.commands.map((command) => `owl3-${command.name()}.1`)];
  expect([...pages.keys()]).toEqual(names);
  const { man, files } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    man: string[];
    files: string[];
  };
  expect(man).toEqual(names.map((name) => `./dist/man/${name}`));
  expect(files).toContain("dist");
});

test("the build has written them", () => {
  for (const name of pages.keys())
    expect(readFileSync(path.join(root, "dist/man", name), "utf8")).toMatch(/^\.TH "OWL3/);
});

test("every option of every command is in its page, with its choices and default", () => {
  for (const command of program.commands) {
    const page = (pages.get(`owl3-${command.name()}.1`) as string).replaceAll("\\-", "-");
    for (const { long, hidden, argChoices = [] } of [command, ...command.commands].flatMap((one) => one.options)) {
      if (hidden) continue;
      expect(page).toContain(`\\fB${long}\\fR`);
      for (const choice of argChoices) expect(page).toContain(choice);
    }
  }
});

test.skipIf(!hasGroff)(
  `groff reads every page without a warning${hasGroff ? "" : " (skipped: groff is not installed here)"}`,
  () => {
    for (const [name, page] of pages) {
      const { status, stderr, stdout } = groff(page);
      expect([name, status, stderr]).toEqual([name, 0, ""]);
      expect(stdout).toContain("SYNOPSIS");
    }
  },
);

test.skipIf(!hasGroff)("what a reader sees", () => {
  const chat = shown(pages.get("owl3-chat.1") as string);
  expect(chat).toContain("owl3-chat - ask about pictures and videos, or talk about them");
  expect(chat).toContain('owl3 chat [options] [MEDIA...] ["a question"]');
  expect(chat).toContain("--kv-type TYPE Type of the KV cache. It is one of f32, f16, q8_0.");
  expect(chat).toContain("The default is 512. It is also known as -n, --n-predict, --predict.");
  expect(chat).toContain('EXAMPLES owl3 chat photo.jpg "What does the sign say?"');
  expect(shown(pages.get("owl3-pull.1") as string)).toMatch(/NOTES Names: 7b .* EXAMPLES owl3 pull 2b/);
  expect(shown(pages.get("owl3-sessions.1") as string)).toContain("owl3 sessions export [options] <name>");
  const all = shown(pages.get("owl3.1") as string);
  for (const command of program.commands)
    expect(all).toContain(`${command.name()} ${command.description()}`.replace(/\s+/g, " "));
});

test("the main page names every variable of owl3 that the sources read, and every exit code", () => {
  const sources = execFileSync("git", ["grep", "-hoE", "\\bOWL3_[A-Z_]+\\b", "--", "src", "bin"], {
    cwd: root,
    encoding: "utf8",
  });
  const read = new Set([...sources.split("\n").filter(Boolean), "OWL3_ISA"]);
  expect(new Set(Object.keys(variables).filter((name) => name.startsWith("OWL3_")))).toEqual(read);
  const page = pages.get("owl3.1") as string;
  for (const name of read) expect(page).toContain(`\\fB${name}\\fR`);
  for (const code of Object.values(ExitCode)) expect(page).toContain(`\\fB${code}\\fR`);
});

test.skipIf(!hasGroff)("text is text: backslashes, requests, quotes and other scripts", () => {
  const odd = new Command("odd").description(".so /etc/passwd");
  odd.command("one").description("'br\n.sh \\fBx").addOption(new Option("--p <a-b>", 'a\\nb – é 鳥 "q"'));
  const page = manPages(odd, "1").get("odd-one.1") as string;
  expect(groff(page)).toMatchObject({ status: 0, stderr: "" });
  expect(shown(page)).toContain("'br .sh \\fBx");
  expect(shown(page)).toContain('A\\nb – é 鳥 "q".');
  expect(shown(manPages(odd, "1").get("odd.1") as string)).toContain("odd - .so /etc/passwd");
});
