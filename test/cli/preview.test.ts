import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { folder, run } from "../support/cli.js";
import { plain, Terminal } from "../support/terminal.js";

// A pseudo-terminal needs util-linux's script(1), which Linux always has; elsewhere its options differ.
const onLinux = test.skipIf(process.platform !== "linux");
let terminal: Terminal | undefined;
afterEach(() => terminal?.kill());

const bare = {
  ...{ NO_COLOR: "", TERM_PROGRAM: "", KITTY_WINDOW_ID: "", LC_TERMINAL: "", TMUX: "", STY: "", WT_SESSION: "" },
  COLORTERM: "",
};
async function shown(args: string[], env: Record<string, string> = {}, columns = 40): Promise<string> {
  terminal = new Terminal(args, { ...bare, HOME: folder, XDG_CONFIG_HOME: folder, ...env }, columns);
  expect(await terminal.exit).toBe(0);
  return terminal.output;
}
const info = ["info", "examples/shapes.png"];
const ask = ["chat", "-m", "demo", "examples/moving.mp4", "What happens?", "--dry-run"];

onLinux("blocks within the terminal, in as many colours as it has", async () => {
  const output = await shown([...info, "--preview"]);
  const lines = plain(output)
    .split("\n")
    .filter((line) => line.includes("▀"));
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.length).toBeLessThanOrEqual(15);
  for (const line of lines) expect(line).toMatch(/^▀{1,39}$/);
  expect(output).toContain("\u001b[38;5;");
  expect(plain(output)).toContain("600 x 400 pixels");
  expect(await shown([...info, "--preview"], { COLORTERM: "truecolor" })).toContain("\u001b[38;2;");
});

onLinux("kitty and iTerm2 get their protocols, also for the first frame of a clip", async () => {
  expect(await shown([...ask, "--preview"], { KITTY_WINDOW_ID: "1" })).toContain("\u001b_Ga=T,f=100,q=2,");
  expect(await shown([...info, "--preview"], { TERM_PROGRAM: "iTerm.app" })).toContain("\u001b]1337;File=inline=1;");
});

onLinux(
  "only where it is wanted: not by default, with --quiet, NO_COLOR or TERM=dumb; the setting counts, --no-preview more",
  async () => {
    const kitty = { KITTY_WINDOW_ID: "1" };
    for (const [args, env] of [
      [ask, {}],
      [[...ask, "--preview", "-q"], {}],
      [[...ask, "--preview"], { NO_COLOR: "1" }],
      [[...ask, "--preview"], { TERM: "dumb" }],
    ] as const)
      expect(await shown([...args], { ...kitty, ...env })).not.toContain("\u001b_G");
    expect(run(["config", "set", "preview", "true"], { env: { ...process.env, XDG_CONFIG_HOME: folder } }).code).toBe(
      0,
    );
    expect(await shown(ask, kitty)).toContain("\u001b_G");
    expect(await shown([...ask, "--no-preview"], kitty)).not.toContain("\u001b_G");
  },
);

onLinux(
  "a wrong config file is told on a terminal and in a pipe alike; an option that decides needs none",
  async () => {
    const env = { ...bare, HOME: folder, XDG_CONFIG_HOME: path.join(folder, "wrong"), COLUMNS: "200" };
    mkdirSync(path.join(folder, "wrong/owl3"), { recursive: true });
    writeFileSync(path.join(folder, "wrong/owl3/config.json"), '{"preview": "yes"}');
    for (const args of [ask, info]) {
      const { code, err } = run(args, { env: { ...process.env, ...env } });
      expect([code, err]).toEqual([2, expect.stringContaining('preview must be true or false, not "yes".')]);
      terminal = new Terminal(args, env);
      expect(await terminal.exit).toBe(2);
      expect(run([...args, "--no-preview"], { env: { ...process.env, ...env } })).toMatchObject({ code: 0, err: "" });
    }
  },
);

test("a pipe gets no picture", () => {
  const env = { ...process.env, ...bare, HOME: folder, KITTY_WINDOW_ID: "1", TERM: "xterm-kitty" };
  for (const args of [
    [...info, "--preview"],
    [...ask, "--preview"],
  ]) {
    const { code, out, err } = run(args, { env });
    expect([code, out.includes("\u001b"), err.includes("\u001b")]).toEqual([0, false, false]);
  }
});

onLinux("a picture that can't be decoded is the error of the work, once", async () => {
  const cut = path.join(folder, "cut.png");
  writeFileSync(cut, Buffer.from("89504e470d0a1a0a0000000d49484452000000100000001008020000009091683600", "hex"));
  terminal = new Terminal(["chat", "-m", "demo", cut, "What?", "--preview"], { ...bare, HOME: folder }, 200);
  expect(await terminal.exit).toBe(3);
  expect(plain(terminal.output).match(/owl3: .*cut\.png/g)).toHaveLength(1);
});

test("info of a picture and of a clip: as text and as JSON", () => {
  expect(run(info).out).toBe(
    "examples/shapes.png\n  kind           picture\n  size           600 x 400 pixels, 5.8 kB\n",
  );
  expect(run(["info", "examples/moving.mp4"]).out).toContain("  looked at      frames 0 10 20 30 40 50\n");
  expect(JSON.parse(run(["info", "examples/moving.mp4", "--json"]).out)).toEqual({
    ...{ path: "examples/moving.mp4", kind: "video", bytes: 11695, width: 320, height: 240, codec: "h264" },
    ...{ frames: 60, fps: 10, duration: 6, looked_at: [0, 10, 20, 30, 40, 50] },
  });
});

onLinux("a picture that is added to a conversation is shown as well", async () => {
  const env = { ...bare, HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder, KITTY_WINDOW_ID: "1" };
  terminal = new Terminal(["chat", "-m", "demo", "--preview"], env);
  await terminal.until(/>>> /);
  terminal.type("/image examples/shapes.png\r");
  expect(await terminal.until(/1 picture waits/)).toContain("_Ga=T,f=100,q=2,");
  terminal.type("/bye\r");
  expect(await terminal.exit).toBe(0);
});
