#!/usr/bin/env node
/**
 * Makes the README's picture of a terminal from a real run, so that it can't show what owl3 doesn't do.
 *
 *   node tools/docs/cast.mjs            types the commands below into a shell, records what comes and when, and draws it
 *   node tools/docs/cast.mjs --draw     draws the recording that is there
 *   node tools/docs/cast.mjs --check    types them again: another text than the recording's, or another drawing of it, is exit code 1
 *
 * The recording is an asciicast (version 2), which asciinema plays as well. It takes util-linux's script(1) and bash.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { screens, textOf } from "./screens.mjs";
import { draw } from "./terminal-svg.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const recording = path.join(root, "docs/pictures/terminal.cast");
const drawing = path.join(root, "docs/pictures/terminal.svg");
const size = { width: 92, height: 24 };

/** The shell says by OSC 133 that it waits for a command, as shells do for terminals that know their prompts. */
const promptMark = "\u001b]133;A\u0007";
/** The lines to type, each with the text that comes when the next may be typed. */
const lines = [
  ['owl3 chat examples/shapes.png "What is in this picture?"', promptMark],
  ['owl3 chat examples/before.png examples/after.png "What changed?"', promptMark],
  ["owl3 video examples/moving.mp4", ">>> "],
  ["What happens?", ">>> "],
  ["What moves?", ">>> "],
  ["/bye", promptMark],
  ['owl3 find examples/appears.mp4 "a yellow star"', promptMark],
];
/** Milliseconds between two keys, and after an answer. */
const typing = 35;
const reading = 1500;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Types the commands into a shell in a pseudo-terminal; `slowly` as a person would. Returns the lines of an asciicast. */
async function record({ slowly }) {
  const home = mkdtempSync(path.join(tmpdir(), "owl3-cast-"));
  symlinkSync(path.join(root, "bin/owl3.js"), path.join(home, "owl3"));
  const folders = { HOME: home, XDG_CACHE_HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
  const { CI: _, OWL3_MODEL: __, NO_COLOR: ___, ...inherited } = process.env;
  const shell = spawn(
    "script",
    ["-qefc", `stty cols ${size.width} rows ${size.height}; exec bash --norc --noprofile -i`, "/dev/null"],
    {
      cwd: root,
      env: {
        ...inherited,
        ...folders,
        PATH: `${home}:${path.dirname(process.execPath)}:${process.env.PATH}`,
        PROMPT_COMMAND: "PS1='\\[\\e]133;A\\a\\]\\[\\e[32m\\]$\\[\\e[0m\\] '", // a shell in between would drop PS1
        TERM: "xterm-256color",
        LC_ALL: "C.UTF-8",
        OWL3_MODEL: "demo",
      },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const events = [];
  let unread = "";
  let started = performance.now();
  let wake = () => {};
  shell.stdout.setEncoding("utf8").on("data", (text) => {
    events.push([(performance.now() - started) / 1000, "o", text]);
    unread += text;
    wake();
  });
  const ended = new Promise((resolve) => shell.on("close", resolve));
  /** Waits until what came since the last wait holds a text. */
  const until = async (mark) => {
    const late = setTimeout(() => shell.kill("SIGKILL"), 60_000);
    while (!unread.includes(mark)) {
      const more = await Promise.race([
        new Promise((resolve) => (wake = () => resolve(true))),
        ended.then(() => false),
      ]);
      if (!more) throw new Error(`the shell ended after ${JSON.stringify(unread)}`);
    }
    clearTimeout(late);
    unread = "";
  };
  try {
    await until(promptMark);
    started = performance.now(); // the shell's own start is no part of it
    for (const event of events) event[0] = 0;
    for (const [i, [line, mark]] of lines.entries()) {
      if (slowly) await pause(i === 0 ? typing : reading);
      for (const key of line) {
        shell.stdin.write(key);
        if (slowly) await pause(typing);
      }
      shell.stdin.write("\r");
      await until(mark);
    }
  } finally {
    shell.stdout.removeAllListeners("data").resume();
    shell.stdin.end("\u0004");
    await Promise.race([ended, pause(2000)]);
    shell.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  }
  const header = { version: 2, ...size, title: "owl3" };
  const rounded = events.map(([at, kind, text]) => [Math.round(at * 1000) / 1000, kind, text]);
  return `${[header, ...rounded].map((line) => JSON.stringify(line)).join("\n")}\n`;
}

/** Leaves out where runs differ by machine and moment: seconds, rates, memory, the instruction set, tenths of a percent, and breaks of long lines. */
const lasting = (text) =>
  text
    .replace(/\s+/g, " ")
    .replace(/\d+(\.\d+)?(?= (s|ms|tokens\/s|MB)\b)/g, "N")
    .replace(/\d+\.\d+(?= %)/g, (percent) => String(Math.round(Number(percent))))
    .replace(/cpu \(\w+\)/g, "cpu");

const flag = process.argv[2];
if (flag === undefined) writeFileSync(recording, await record({ slowly: true }));
const cast = readFileSync(recording, "utf8");
const svg = draw(await screens(cast));
if (flag === "--check") {
  const faults = [];
  if (svg !== readFileSync(drawing, "utf8"))
    faults.push("docs/pictures/terminal.svg is not the drawing of terminal.cast: node tools/docs/cast.mjs --draw");
  const [shown, said] = await Promise.all([cast, await record({ slowly: false })].map(textOf));
  if (lasting(shown) !== lasting(said))
    faults.push(`owl3 says something else than docs/pictures/terminal.cast:\n${said}`);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
} else writeFileSync(drawing, svg);
