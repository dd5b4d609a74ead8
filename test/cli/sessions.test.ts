import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { safeText } from "../../src/cli/filter.js";
import { place, run } from "../support/cli.js";
import { root } from "../support/files.js";
import { converter } from "../support/model.js";
import { plain, Terminal } from "../support/terminal.js";

const onLinux = test.skipIf(process.platform !== "linux");
const shapes = path.join(root, "examples/shapes.png");
const convertedTo = converter("golden/model");

/** A new user for each test. */
let home: string;
let terminal: Terminal | undefined;
beforeEach(() => {
  home = place();
});
afterEach(() => terminal?.kill());
const environment = (): Record<string, string> => ({
  ...{ HOME: home, USERPROFILE: home, XDG_DATA_HOME: path.join(home, "data"), XDG_STATE_HOME: home },
  ...{ OWL3_CACHE_DIR: path.join(home, "cache"), OWL3_MODEL: "" },
});
function owl3(args: string[], options: { input?: Buffer | string; env?: Record<string, string> } = {}) {
  return run(args, { ...options, env: { ...process.env, ...environment(), ...options.env } });
}
const sessions = (...names: string[]): string => path.join(home, "data/owl3/sessions", ...names);
const record = (name: string) => JSON.parse(readFileSync(sessions(name, "session.json"), "utf8"));
const blind = "I see no picture.\n";

test("one question after the other in a pipe: the picture is remembered and not encoded again", () => {
  const picture = path.join(home, "shapes.png");
  copyFileSync(shapes, picture);
  const first = owl3(["chat", picture, "What is in this picture?", "--session", "trip", "--json"]);
  const one = JSON.parse(first.out);
  expect([first.code, one.usage.crops, one.usage.encoded_crops]).toEqual([0, 7, 6]); // two are alike
  rmSync(picture);
  const second = owl3(["chat", "--session", "trip", "Which color is the star?", "--json"]);
  const two = JSON.parse(second.out);
  expect(two).toMatchObject({ text: "Blue.", media: [{ path: picture }], usage: { crops: 7, encoded_crops: 0 } });
  expect(owl3(["chat", "-c", "-q"], { input: "How many shapes are there?" })).toEqual({
    code: 0,
    out: "Three.\n",
    err: "",
  });
  expect(record("trip").messages).toHaveLength(6);

  // A conversation that was never interrupted gets the same prompt, to the id.
  const messages = JSON.parse(owl3(["sessions", "export", "trip"]).out).slice(0, 2);
  writeFileSync(
    path.join(home, "m.json"),
    JSON.stringify([...messages, { role: "user", content: "Which color is the star?" }]),
  );
  const whole = JSON.parse(owl3(["chat", "--messages", path.join(home, "m.json"), "--json"]).out);
  expect([whole.text, whole.usage.prompt_tokens]).toEqual([two.text, two.usage.prompt_tokens]);

  // Without the cache the crops are encoded again, from the copy.
  rmSync(path.join(home, "cache"), { recursive: true });
  const third = JSON.parse(owl3(["chat", "-c", "Which color is the star?", "--json"]).out);
  expect([third.text, third.usage.encoded_crops]).toEqual(["Blue.", 6]);
});

test("a picture from stdin is kept by its bytes, a clip with its frames", () => {
  const input = readFileSync(shapes);
  expect(owl3(["chat", "-", "-p", "What is in this picture?", "--session", "a", "-q"], { input }).out).toMatch(
    /^A large red circle/,
  );
  expect(owl3(["chat", "-c", "-p", "Which color is the star?", "-q"]).out).toBe("Blue.\n");
  const clip = ["video", "examples/moving.mp4", "-p", "What happens?", "--session", "b", "--frames", "0,20,40,59"];
  const first = JSON.parse(owl3([...clip, "--json"]).out);
  expect(first.media[0].video.frames).toHaveLength(4);
  const second = JSON.parse(owl3(["video", "--session", "b", "--fps", "2", "-p", "What happens?", "--json"]).out);
  expect(second).toMatchObject({ text: first.text, usage: { crops: 4, encoded_crops: 0 } });
  expect(second.media[0].video.frames).toEqual(first.media[0].video.frames);
});

test("options that a conversation can't change are refused with the reason", () => {
  expect(owl3(["chat", "-c", "-p", "x", "-q"])).toEqual({
    code: 2,
    out: "",
    err: "owl3: there is no session to continue; --session NAME begins one.\n",
  });
  expect(owl3(["chat", "--session", "a", "-c", "-p", "x"]).err).toContain("owl3: give either --session or --continue.");
  expect(owl3(["chat", "--session", "../a", "-p", "x"])).toMatchObject({ code: 2, out: "" });
  expect(existsSync(sessions())).toBe(false);

  expect(owl3(["chat", "--session", "a", "--system", "Be brief.", "-p", "What is this?", "-q"]).out).toBe(blind);
  const refused = (...args: string[]) => {
    const { code, err } = owl3(["chat", "--session", "a", "-p", "x", "-q", ...args]);
    return [code, err];
  };
  expect(refused("--system", "Be long.")).toEqual([
    2,
    "owl3: session a has another system message, which stays; begin another session for that.\n",
  ]);
  expect(refused("--allow-special")).toEqual([
    2,
    "owl3: session a was begun without --allow-special; begin another session for that.\n",
  ]);
  expect(refused("--messages", "-")).toEqual([
    2,
    "owl3: session a has a conversation already, so --messages can't give it one; begin another session for that.\n",
  ]);
  expect(owl3(["chat", "-c", "--system", "Be brief.", "-p", "What is this?", "-q"]).code).toBe(0);
  expect(record("a").messages.map(({ role }: { role: string }) => role)).toEqual([
    "system",
    "user",
    "assistant",
    "user",
    "assistant",
  ]);
});

test("another model goes on with the texts, says so, and the session's own model is used again without -m", async () => {
  expect(owl3(["chat", shapes, "-p", "What is in this picture?", "--session", "a", "-q"]).code).toBe(0);
  const other = await convertedTo("f32");
  const ask = ["chat", "-c", "-p", "And now?", "--max-tokens", "2"];
  const with2 = owl3([...ask, "-m", other]);
  expect(with2.err).toContain(
    "owl3-demo.gguf answered in session a before; f32.gguf reads its texts and pictures anew.\n",
  );
  const prints = record("a").messages.map(({ model }: { model?: string }) => model);
  expect(new Set(prints).size).toBe(3); // of the demo model, of the other one, and none
  expect(JSON.parse(owl3([...ask, "--json"]).out).model).toBe(other);
});

test("a failed question changes nothing, and a new session that fails leaves nothing", () => {
  expect(owl3(["chat", "nowhere.png", "-p", "x", "--session", "a"]).code).toBe(3);
  expect(readdirSync(sessions())).toEqual([]);
  owl3(["chat", shapes, "-p", "What is in this picture?", "--session", "a", "-q"]);
  const before = readFileSync(sessions("a", "session.json"), "utf8");
  expect(owl3(["chat", "-c", "--ctx", "16", "-p", "And now?", "-q"]).code).toBe(2);
  expect(owl3(["chat", "-c", "--dry-run", "-p", "And now?"]).out).toContain("A large red circle");
  expect(owl3(["chat", "--session", "b", "--dry-run", "-p", "And now?"]).code).toBe(0);
  expect(readFileSync(sessions("a", "session.json"), "utf8")).toBe(before);
  expect(readdirSync(sessions("a")).sort()).toEqual(["media", "session.json"]);
  expect(readdirSync(sessions())).toEqual(["a"]);
});

test("sessions: list, show, export, rm", () => {
  expect(owl3(["sessions"])).toMatchObject({ code: 0, out: "", err: expect.stringContaining("No sessions in ") });
  owl3(["chat", shapes, "-p", "What is in this picture?", "--session", "a", "--system", "Be brief.", "-q"]);
  owl3(["chat", "-p", "What is a\u001b[2J convolution?", "--session", "b", "-q"]);
  mkdirSync(sessions("bad"));
  writeFileSync(sessions("bad", "session.json"), "[");
  const listed = owl3(["sessions"]);
  expect(listed.out).toMatch(
    /^a: 1 question, 1 picture or video \(5\.8 kB\), owl3-demo\.gguf, \d{4}-\d\d-\d\d \d\d:\d\d$/m,
  );
  expect(listed.out).toMatch(/^bad: session bad is damaged: /m);
  const { sessions: all } = JSON.parse(owl3(["sessions", "--json"]).out);
  expect(all.map(({ name }: { name: string }) => name).sort()).toEqual(["a", "b", "bad"]);
  const shown = owl3(["sessions", "show", "a"]).out;
  expect(shown).toMatch(/^system: Be brief\.\n> \[.*shapes\.png\]\n> What is in this picture\?\nA large red circle/);
  const hostile = owl3(["sessions", "show", "b"]).out;
  expect(safeText(hostile)).toBe(hostile);
  expect(JSON.parse(owl3(["sessions", "show", "a", "--json"]).out).messages).toHaveLength(3);

  const moved = path.join(home, "moved");
  expect(owl3(["sessions", "export", "a", "-o", moved]).code).toBe(0);
  expect(readdirSync(moved).sort()).toEqual(["1-shapes.png", "messages.json"]);
  expect(owl3(["sessions", "export", "a", "-o", moved]).err).toBe(
    `owl3: ${moved} can't be written: it exists already; name a new one.\n`,
  );
  expect(owl3(["sessions", "rm", "a", "bad"])).toMatchObject({ code: 0, err: "a removed\nbad removed\n" });
  const messages = path.join(moved, "messages.json");
  expect(owl3(["chat", "--messages", messages, "--session", "c", "-p", "Which color is the star?", "-q"]).out).toBe(
    "Blue.\n",
  );
  rmSync(moved, { recursive: true });
  expect(owl3(["chat", "-c", "-p", "Which color is the star?", "-q"]).out).toBe("Blue.\n");
  for (const command of ["rm", "show", "export"])
    expect(owl3(["sessions", command, "a"])).toEqual({ code: 2, out: "", err: "owl3: there is no session a.\n" });
});

const esc = "\u001b";
const ready = new RegExp(`>>> ${esc}\\[5G`);
function open(...args: string[]): Terminal {
  terminal = new Terminal(["chat", ...args], { ...environment(), NO_COLOR: "1" });
  return terminal;
}

onLinux("a conversation on a terminal is kept after each answer, and goes on in a pipe and on a terminal", async () => {
  const t = open("--session", "trip", shapes);
  expect(plain(await t.until(ready))).toContain("session trip begins; each answer is saved.");
  t.type("What is in this picture?\r");
  expect(plain(await t.until(ready))).toContain("7 crops visible, encoded in");
  expect(record("trip").messages).toHaveLength(2);
  expect(owl3(["chat", "-c", "-p", "x", "-q"])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^owl3: session trip is in use by another owl3 \(process \d+\)\.\n$/),
  });
  t.type("/regen\r");
  await t.until(ready);
  expect(record("trip").messages).toHaveLength(2);
  t.type("\u0004");
  expect(await t.exit).toBe(0);
  expect(readdirSync(sessions("trip")).sort()).toEqual(["media", "session.json"]);

  expect(owl3(["chat", "-c", "-p", "Which color is the star?", "-q"]).out).toBe("Blue.\n");
  const again = open("-c");
  expect(plain(await again.until(ready))).toContain("session trip has 2 questions so far; each answer is saved.");
  again.type("/regen\r");
  const given = plain(await again.until(ready));
  expect(given).toContain("Blue.");
  expect(given).toContain("7 crops visible, read from the cache in");
  again.type("/clear\r");
  await again.until(ready);
  again.type("\u0004");
  expect(await again.exit).toBe(0);
  expect(record("trip").messages).toEqual([]);
  expect(readdirSync(sessions("trip", "media"))).toEqual([]);
});

onLinux("/save NAME begins a session of a conversation, and a name with a dot is a file", async () => {
  owl3(["chat", "-p", "x", "--session", "taken", "-q"]);
  const t = open(shapes, "--no-cut");
  await t.until(ready);
  t.type("/save trip\r");
  expect(plain(await t.until(ready))).toContain("there is no answer yet that could be saved");
  t.type("What is in this picture?\r");
  await t.until(ready);
  t.type("/save taken\r");
  expect(plain(await t.until(ready))).toContain("there is a session taken already; choose another name.");
  t.type("/save trip\r");
  expect(plain(await t.until(ready))).toContain("`owl3 chat --session trip` goes on with it.");
  expect(record("trip").messages).toHaveLength(2);
  expect(record("trip").messages[0].content[0]).toMatchObject({ type: "image", cut: false });
  t.type("Which color is the star?\r");
  await t.until(ready);
  expect(record("trip").messages).toHaveLength(4);
  t.type("/save copy\r");
  await t.until(ready);
  t.type("/regen\r");
  await t.until(ready);
  expect(record("copy").messages[0]).toEqual(record("trip").messages[0]);
  expect(readdirSync(sessions("copy", "media"))).toEqual(readdirSync(sessions("trip", "media")));
  expect([existsSync(sessions("trip", "session.lock")), existsSync(sessions("copy", "session.lock"))]).toEqual([
    false,
    true,
  ]);
  const file = path.join(home, "trip.json");
  t.type(`/save ${file}\r`);
  expect(plain(await t.until(ready))).toContain(`saved to ${file}.`);
  t.type("\u0004");
  expect(await t.exit).toBe(0);
  expect(JSON.parse(readFileSync(file, "utf8"))).toHaveLength(4);
  expect(JSON.parse(owl3(["chat", "-c", "-p", "And now?", "--json"]).out).usage).toMatchObject({
    crops: 1,
    encoded_crops: 0,
  });
});

test("a folder that can't be made is a sentence", () => {
  writeFileSync(path.join(home, "data"), "");
  const refused = owl3(["chat", "-p", "x", "--session", "a", "-q"]);
  expect(refused).toMatchObject({
    code: 3,
    out: "",
    err: expect.stringMatching(/^owl3: .*sessions\/a can't be .*\.\n$|^owl3: session a can't be made: .*\.\n$/),
  });
});

onLinux("an answer that Ctrl-C stops is kept as far as it came", async () => {
  // The answer can't end by itself for a second, and the echo of the question is shorter than the text that is waited for.
  const long = ["--max-tokens", "20000", "--ctx", "8000", "--regex", "[a-z ]{4000,}"];
  const t = open("-m", await convertedTo("f32"), "--session", "long", ...long);
  await t.until(ready);
  t.type("Go on.\r");
  await t.until(/Go on\.[\s\S]{600}/);
  t.type("\u0003");
  expect(plain(await t.until(ready))).toContain("(stopped)");
  const { messages } = record("long");
  expect(messages).toMatchObject([{ role: "user" }, { role: "assistant" }]);
  expect(messages[1].content).not.toBe("");
  t.type("\u0004");
  expect(await t.exit).toBe(0);
});
