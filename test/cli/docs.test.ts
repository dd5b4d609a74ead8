import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { ExitCode } from "../../src/errors.js";
import { root, temporaryFolder } from "../support/files.js";

// The commands that a document shows are run: every line of a ```sh block, in order, from the root of the repository, without any model pulled or
// configured, and /tmp being a folder of the document; comments after a line are what it prints. Lines that need the network or that install are in
// plain ``` blocks.
const documents = execFileSync("git", ["grep", "--untracked", "-l", "^```sh$", "--", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .trim()
  .split("\n");

/** Commands with the output that is shown for them, if any. */
function commands(document: string): [command: string, output: string | undefined][] {
  const text = readFileSync(path.join(root, document), "utf8");
  const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((block) => (block[1] ?? "").trim().split("\n"));
  return lines.flatMap((line, i) => {
    if (line.startsWith("# ")) return [];
    const after = lines.slice(i + 1);
    const end = after.findIndex((other) => !other.startsWith("# "));
    const shown = after.slice(0, end < 0 ? after.length : end).map((comment) => comment.slice(2));
    return [[line, shown.length > 0 ? shown.join("\n") : undefined]];
  });
}

test("the README shows at least three examples", () => {
  expect(commands("README.md").length).toBeGreaterThanOrEqual(3);
});

test("the guide's table has every exit code", () => {
  const guide = readFileSync(path.join(root, "docs/guide.md"), "utf8");
  for (const code of Object.values(ExitCode)) expect(guide).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
});

test("the guide has every command", () => {
  const { man } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const names = (man as string[]).flatMap((page) => /owl3-(\w+)\.1$/.exec(page)?.[1] ?? []);
  expect(names.length).toBeGreaterThan(15);
  const guide = readFileSync(path.join(root, "docs/guide.md"), "utf8");
  for (const name of names) expect(guide).toMatch(new RegExp(`^\\| .*\`owl3 ${name}\\b.* \\|`, "m"));
});

for (const document of documents)
  describe(document, () => {
    const folder = temporaryFolder();
    for (const [command, output] of commands(document))
      test(command, () => {
        const line = command.replaceAll("npx owl3", "node bin/owl3.js").replaceAll("/tmp/", `${folder}/`);
        const env = {
          ...process.env,
          HOME: folder,
          XDG_CACHE_HOME: folder,
          XDG_CONFIG_HOME: folder,
          XDG_DATA_HOME: folder,
          OWL3_MODEL: "",
        };
        const out = execFileSync("sh", ["-c", line], {
          cwd: root,
          env,
          encoding: "utf8",
          stdio: ["ignore", "pipe", "pipe"],
        });
        if (output !== undefined) expect(out).toBe(`${output}\n`);
        if (/owl3 (chat|video)/.test(command) && !command.includes(">")) expect(out.trim()).not.toBe("");
      });
  });
