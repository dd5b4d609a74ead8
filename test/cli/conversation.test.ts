import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { folder } from "../support/cli.js";
import { fixtures } from "../support/files.js";
import { converter } from "../support/model.js";
import { plain, Terminal } from "../support/terminal.js";

// A pseudo-terminal needs util-linux's script(1), which Linux always has; elsewhere its options differ.
const onLinux = test.skipIf(process.platform !== "linux");
const golden = path.join(fixtures, "golden");
const convertedTo = converter("golden/model");
let model: string;
let terminal: Terminal | undefined;

beforeAll(async () => {
  model = await convertedTo("f32");
});
afterEach(() => terminal?.kill());

const home = { HOME: folder, XDG_STATE_HOME: folder, OWL3_CACHE_DIR: path.join(folder, "cache"), NO_COLOR: "" };

function open(args: string[], env: Record<string, string> = {}): Terminal {
  terminal = new Terminal(["chat", "-m", model, "--temp", "0", ...args], {
    ...home,
    ...env,
  });
  return terminal;
}
const red = path.join(golden, "media/red.png");
const esc = "\u001b";
const ready = new RegExp(`>>> ${esc}\\[5G`);

onLinux("a conversation: pictures, further questions, commands, leaving", async () => {
  const t = open([red, "--max-tokens", "4"]);
  expect(plain(await t.until(ready))).toContain("waits for your question");
  t.type("Describe this image.\r");
  expect(plain(await t.until(ready))).toMatch(/Describe this image\.\n+[\s\S]*\/If mark[\s\S]*5 crops/);
  t.type("And now?\r");
  const second = plain(await t.until(ready));
  expect(second).not.toMatch(/crops visible, encoded/);
  t.type("/regen\r");
  expect(plain(await t.until(ready))).toContain("tokens/s");
  t.type("/image nowhere.png\r");
  expect(plain(await t.until(ready))).toContain("warning: there is no file nowhere.png");
  t.type("/nonsense\r");
  expect(plain(await t.until(ready))).toContain("there is no command /nonsense");
  t.type("/help\r");
  expect(plain(await t.until(ready))).toContain("/save FILE");
  const saved = path.join(folder, "chat.json");
  t.type(`/save ${saved}\r`);
  await t.until(ready);
  t.type("/clear\r");
  expect(plain(await t.until(ready))).toContain("forgotten");
  t.type("\u0004");
  expect(await t.exit).toBe(0);

  const messages = JSON.parse(readFileSync(saved, "utf8"));
  expect(messages.map((message: { role: string }) => message.role)).toEqual(["user", "assistant", "user", "assistant"]);
  expect(messages[0].content[0]).toEqual({ type: "image", path: red });
  expect(readFileSync(path.join(folder, "owl3/history"), "utf8")).toContain("And now?");
});

onLinux("Ctrl-C stops the answer and keeps the conversation", async () => {
  const t = open(["--max-tokens", "20000", "--ctx", "8000"]);
  await t.until(ready);
  t.type("Go on.\r");
  await t.until(/Go on\.[\s\S]{60}/);
  t.type("\u0003");
  expect(plain(await t.until(ready))).toContain("(stopped)");
  t.type("\u0004");
  expect(await t.exit).toBe(0);
});

onLinux("leaving by the words of other programs, and a command that is nearly right", async () => {
  for (const word of ["/bye", "/exit", "/quit", "exit", "quit"]) {
    const t = open([]);
    await t.until(ready);
    if (word === "/bye") {
      t.type("/hepl\r");
      expect(plain(await t.until(ready))).toContain("there is no command /hepl; did you mean /help?");
    }
    t.type(`${word}\r`);
    expect([word, await t.exit]).toEqual([word, 0]);
  }
});

onLinux("words are not broken at the terminal's edge, on stdout and on stderr", async () => {
  terminal = new Terminal(
    ["chat", "-m", "demo", "examples/shapes.png", "What is in this picture?"],
    { HOME: folder, OWL3_CACHE_DIR: path.join(folder, "cache") },
    40,
  );
  expect(await terminal.exit).toBe(0);
  const lines = plain(terminal.output).split("\n");
  expect(lines).toContain("small blue star in the center and a");
  expect(lines.find((line) => line.startsWith("7 crops visible"))?.length).toBeLessThanOrEqual(40);
});

onLinux("on a terminal one question shows progress, and NO_COLOR takes the colours away", async () => {
  const t = open([red, "-p", "Describe this image.", "--max-tokens", "4"]);
  expect(await t.exit).toBe(0);
  expect(plain(t.output)).toContain("/If mark");
  expect(t.output).toContain("\u001b[90m");
  const bare = open([red, "-p", "Describe this image.", "--max-tokens", "4"], { NO_COLOR: "1" });
  expect(await bare.exit).toBe(0);
  expect(bare.output).not.toMatch(new RegExp(`${esc}\\[[0-9;]*m`));
});

onLinux("Ctrl-C ends the loop of a shell with the question", async () => {
  const loop = 'for i in 1 2; do "$@" chat -p "Go on." --max-tokens 20000 --ctx 8000; done; echo "after it"';
  const t = new Terminal(loop, { ...home, OWL3_MODEL: model });
  terminal = t;
  await t.until(/[a-z]{3}[\s\S]{40}/);
  t.type("\u0003");
  expect(await t.exit).toBe(130);
  expect(plain(t.output)).toMatch(/\ninterrupted\n$/);
});

onLinux("Ctrl-C ends a single question with 130 and shows the cursor again", async () => {
  const t = open(["-p", "Go on.", "--max-tokens", "20000", "--ctx", "8000"]);
  await t.until(/[a-z]{3}[\s\S]{40}/);
  t.type("\u0003");
  expect(await t.exit).toBe(130);
  expect(t.output).toContain("\u001b[?25h");
  expect(plain(t.output)).toMatch(/\ninterrupted\n$/);
});
