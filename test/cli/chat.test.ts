import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { beforeAll, expect, test } from "vitest";
import { safeText } from "../../src/cli/filter.js";
import { binary, endOf, folder, foreign, owl3, run } from "../support/cli.js";
import { fixtures } from "../support/files.js";
import { converter } from "../support/model.js";

const golden = path.join(fixtures, "golden");
const picture = (name: string): string => path.join(golden, "media", name);
const convertedTo = converter("golden/model");
let model: string;
beforeAll(async () => {
  model = await convertedTo("f32");
});

const env = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...{ OWL3_MODEL: model, OWL3_CACHE_DIR: path.join(folder, "cache"), HOME: folder, XDG_CONFIG_HOME: folder },
  ...more,
});
const chat = (args: string[], options: { input?: Buffer | string; env?: Record<string, string> } = {}) =>
  run(["chat", ...args], { ...options, env: env(options.env) });

interface Case {
  name: string;
  media: string[];
  input_ids: number[];
  media_offset: number[];
  grids: number[][];
  greedy_text: string;
  greedy_ids: number[];
}
const cases = JSON.parse(readFileSync(path.join(golden, "cases.json"), "utf8")) as Case[];
const red = cases.find((item) => item.name === "red square") as Case;
const greedy = ["--temp", "0", "--repetition-penalty", "1", "--max-tokens", "12"];
const ask = [picture("red.png"), "-p", "Describe this image.", ...greedy];

test("an answer in a pipe: the reference's text on stdout, no escape code anywhere", () => {
  const run = chat([...ask, "-q"]);
  expect(run).toEqual({ code: 0, out: `${red.greedy_text}\n`, err: "" });
  const loud = chat(ask, { env: { FORCE_COLOR: "1", TERM: "xterm-256color" } });
  expect(loud.out).toBe(run.out);
  expect(safeText(loud.err)).toBe(loud.err);
  expect(loud.err).toMatch(/cut off after 12 tokens/);
});

test("--json: the fields that are promised, ids and text of the reference", () => {
  const run = chat([...ask, "--json", "--logprobs", "2"]);
  const json = JSON.parse(run.out);
  expect(run.out.trim().split("\n")).toHaveLength(1);
  expect(json).toMatchObject({
    model,
    text: red.greedy_text,
    finish_reason: "length",
    media: [{ path: picture("red.png"), width: 500, height: 500, grid: [2, 2], crops: 5 }],
    usage: { prompt_tokens: red.input_ids.length, crops: 5, completion_tokens: 12 },
  });
  expect(json.tokens.map((token: { id: number }) => token.id)).toEqual(red.greedy_ids);
  expect(json.tokens[0].top).toHaveLength(2);
  expect(json.tokens[0].top[0]).toEqual({
    id: json.tokens[0].id,
    text: json.tokens[0].text,
    logprob: json.tokens[0].logprob,
  });
  const bare = JSON.parse(chat([...ask, "--json"]).out);
  expect(bare.tokens[0]).toEqual({ id: red.greedy_ids[0], text: expect.any(String), logprob: expect.any(Number) });
  for (const key of ["load_ms", "preprocess_ms", "vision_ms", "prefill_ms", "decode_ms"])
    expect(json.timings[key]).toBeGreaterThanOrEqual(0);
  expect(json.memory.total).toBeGreaterThan(json.memory.weights);
});

test("--dry-run: prompt, ids, offsets and grids of the reference, without the model's weights", () => {
  const json = JSON.parse(chat([...ask, "--dry-run", "--json"]).out);
  expect(json).toMatchObject({ input_ids: red.input_ids, media_offset: red.media_offset });
  expect(json.media.map((item: { grid: number[] }) => item.grid)).toEqual(red.grids);
  expect(json.prompt).toContain("<|start_cut|>2*2\n<|image|> <|image|>\n");
  const text = chat([...ask, "--dry-run"]);
  expect(text.out).toContain(red.input_ids.join(" "));
  expect(chat([...ask, "--no-cut", "--dry-run", "--json"]).out).toContain('"grid":null');
});

test("--dry-run: its memory is what the run plans", () => {
  const many = `${"word ".repeat(1200)}?`;
  for (const args of [
    ask,
    [...ask, "--no-cut", "--kv-type", "q8_0", "--ctx", "300"],
    [...ask, "--beams", "3", "--kv-type", "f16"],
    [...ask, "--precision", "exact", "--threads", "1"],
    ["-p", many, ...greedy.slice(0, -1), "1"],
  ]) {
    const { peak_rss, ...planned } = JSON.parse(chat([...args, "--json"]).out).memory;
    expect(JSON.parse(chat([...args, "--dry-run", "--json"]).out).memory).toEqual(planned);
    expect(peak_rss).toBeGreaterThan(planned.weights);
  }
});

test("--dump: pixels, embeddings and logits with their shapes", () => {
  const file = path.join(folder, "dump.safetensors");
  expect(chat([...ask, "-q", "--dump", file]).code).toBe(0);
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  const size = header.pixel_values.shape[2];
  expect(header.pixel_values.shape).toEqual([5, 3, size, size]);
  expect(header.image_embeds.shape[0]).toBe(5);
  expect(header.logits.data_offsets[1]).toBe(bytes.length - 8 - length);
  const logits = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + 8 + length + header.logits.data_offsets[0], bytes.byteOffset + bytes.length),
  );
  expect(logits.indexOf(logits.reduce((a, b) => Math.max(a, b)))).toBe(red.greedy_ids[0]);
});

test("the question: an argument with a space, a pipe, stdin's picture, a conversation as JSON: all the same", () => {
  const want = `${red.greedy_text}\n`;
  const quiet = [...greedy, "-q"];
  expect(chat([picture("red.png"), "Describe this image.", ...quiet]).out).toBe(want);
  expect(chat([picture("red.png"), ...quiet], { input: "Describe this image.\n" }).out).toBe(want);
  const bytes = readFileSync(picture("red.png"));
  expect(chat(["-", "-p", "Describe this image.", ...quiet], { input: bytes }).out).toBe(want);
  const url = `data:image/png;base64,${bytes.toString("base64")}`;
  for (const part of [
    { type: "image", path: picture("red.png") },
    { type: "image_url", image_url: { url } },
    { type: "image_url", image_url: { url: `file://${picture("red.png")}` } },
  ]) {
    const messages = [{ role: "user", content: [part, { type: "text", text: "\nDescribe this image." }] }];
    expect(chat(["--messages", "-", ...quiet], { input: JSON.stringify(messages) }).out).toBe(want);
  }
});

test("piped text goes before the question, and a piped picture or clip is one, also without -", () => {
  const prompt = (args: string[], input: Buffer | string) =>
    JSON.parse(chat([...args, "--dry-run", "--json"], { input }).out) as { prompt: string; media: { path: string }[] };
  expect(prompt(["What is the word?"], "The word is banana.\n").prompt).toContain(
    "The word is banana.\n\nWhat is the word?<|im_end|>",
  );
  const bytes = readFileSync(picture("red.png"));
  expect(chat(["-p", "Describe this image.", ...greedy, "-q"], { input: bytes }).out).toBe(`${red.greedy_text}\n`);
  expect(prompt([picture("red.png"), "What changed?"], bytes).media.map((item) => item.path)).toEqual([
    "stdin",
    picture("red.png"),
  ]);
  const pdf = chat(["-p", "x"], { input: Buffer.from("%PDF-1.7\n\xff\xfe\n", "latin1") });
  expect(pdf).toMatchObject({ code: 3, out: "" });
  expect(pdf.err).toContain("stdin is a PDF document");
  expect(chat([picture("red.png")], { input: bytes }).err).toContain("there is no question");
});

test("a stdin that does not end is told of", async () => {
  const child = spawn(process.execPath, [binary, "chat", "-p", "x", "--max-tokens", "1"], {
    env: env(),
    stdio: "pipe",
  });
  const said = await new Promise((resolve) => child.stderr.once("data", (text) => resolve(String(text))));
  expect(said).toContain("Waiting for the end of stdin");
  child.stdin.end();
  expect(await endOf(child)).toBe(0);
});

test("drawing: a seed repeats, beams and a stop string are heard, what cannot be combined is refused", () => {
  const draw = (...more: string[]) => chat(["-p", "What is a convolution?", "--max-tokens", "6", "-q", ...more]).out;
  expect(draw("--temp", "1", "--seed", "7")).toBe(draw("--temp", "1", "--seed", "7"));
  expect(new Set([1, 2, 3, 4].map((seed) => draw("--temp", "2", "--seed", String(seed)))).size).toBeGreaterThan(1);
  expect(draw("--beams", "3").length).toBeGreaterThan(1);
  const whole = draw("--temp", "0");
  const stop = whole.slice(3, 6);
  expect(draw("--temp", "0", "--stop", stop)).toBe(`${whole.slice(0, whole.indexOf(stop))}\n`);
  expect(chat(["-p", "x", "--beams", "2", "--temp", "1"]).code).toBe(2);
});

test("exit code 2: wrong usage, one sentence each", () => {
  for (const args of [
    [],
    ["-p", " "],
    ["-p", "x", "--temp", "hot"],
    ["-p", "x", "--max-tokens", "0"],
    ["-p", "x", "--nonsense"],
    ["-p", "x", "--device", "toaster"],
    ["-p", "x", "--logprobs", "3"],
    ["-", "-", "-p", "x"],
    ["--messages", "-"],
    ["-p", "x <|image|>", "--interleave"],
    ["-p", "x", "--ctx", "999999"],
  ]) {
    const run = chat(args);
    expect([args, run.code, run.out]).toEqual([args, 2, ""]);
    expect(run.err).toMatch(/^owl3: [^\n]+\n$/);
  }
});

test("exit code 3: pictures that are missing, cut, empty, folders or something else", () => {
  const file = (name: string): string => path.join(folder, name);
  copyFileSync(picture("red.png"), file("cut.png"));
  truncateSync(file("cut.png"), 300);
  writeFileSync(file("empty.png"), "");
  writeFileSync(file("text.png"), "not a picture at all\n");
  for (const name of ["missing.png", "cut.png", "empty.png", "text.png"]) {
    const run = chat([file(name), "-p", "x"]);
    expect([name, run.code, run.out]).toEqual([name, 3, ""]);
    expect(run.err).toMatch(/^owl3: [^\n]+\n$/);
    expect(run.err).toContain(name);
  }
  expect(chat(["-p", "x", "-m", folder]).code).toBe(3);
  expect(chat(["-p", "x", "-m", file("missing.gguf")])).toMatchObject({ code: 3, out: "" });
  expect(chat(["--messages", file("missing.json")]).code).toBe(3);
});

test("a folder: a bad file is left out with a warning, a bad file that is named is an error; subfolders with -r", () => {
  const album = path.join(folder, "album");
  mkdirSync(path.join(album, "inner"), { recursive: true });
  copyFileSync(picture("red.png"), path.join(album, "1.png"));
  copyFileSync(picture("red.png"), path.join(album, "inner", "3.png"));
  copyFileSync(picture("red.png"), path.join(album, "2.png"));
  truncateSync(path.join(album, "2.png"), 300);
  const seen = (...args: string[]) => {
    const { out, err, code } = chat([...args, "-p", "x", "--dry-run", "--json"]);
    const media =
      code === 0 ? JSON.parse(out).media.map((item: { path: string }) => path.relative(album, item.path)) : [];
    return { code, media, err };
  };
  expect(seen(album)).toEqual({
    code: 0,
    media: ["1.png"],
    err: `warning: ${album}: 1 subfolder left out; --recursive looks into subfolders.\nwarning: left out: ${album}/2.png can't be decoded: the file is damaged.\n`,
  });
  expect(seen(album, "-r").media).toEqual(["1.png", path.join("inner", "3.png")]);
  expect(seen(path.join(album, "2.png")).code).toBe(3);
  expect(run(["video", album, "-p", "x"], { env: env() }).err).toContain(`${album} holds no videos.`);
});

test("exit code 4: models that are cut, empty or something else", () => {
  const file = (name: string): string => path.join(folder, name);
  copyFileSync(model, file("cut.gguf"));
  truncateSync(file("cut.gguf"), 100_000);
  writeFileSync(file("empty.gguf"), "");
  for (const bad of [file("cut.gguf"), file("empty.gguf"), binary, foreign]) {
    const run = chat(["-p", "x", "-m", bad]);
    expect([bad, run.code, run.out]).toEqual([bad, 4, ""]);
    expect(run.err).toMatch(/^owl3: [^\n]+\n$/);
  }
});

test("a quiet exit when the reader of the pipe goes away", async () => {
  const child = spawn(
    process.execPath,
    [binary, "chat", "-p", "Go on.", "--max-tokens", "20000", "--ctx", "2048", "-q"],
    {
      env: env(),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let err = "";
  child.stderr.on("data", (text) => {
    err += text;
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.destroy();
  const code = await endOf(child);
  expect([code, err]).toEqual([0, ""]);
});

test.skipIf(process.platform !== "linux")(
  "a full disk on stdout: one sentence, code 3, for an answer, JSON and a help",
  () => {
    for (const args of [[...ask, "-q"], [...ask, "--json"], ["--help"]]) {
      const words = [process.execPath, binary, "chat", ...args].map((word) => `'${word}'`).join(" ");
      const done = spawnSync("sh", ["-c", `${words} > /dev/full`], { encoding: "utf8", env: env(), input: "" });
      expect([done.status, done.stderr.split("\n").at(-2)]).toEqual([
        3,
        "owl3: stdout can't be written: the disk is full.",
      ]);
    }
  },
);

test("a file that can't be written or read: the reason in words", () => {
  expect(chat([...ask, "-q", "--dump", folder]).err).toBe(`owl3: ${folder} can't be written: it is a folder.\n`);
  const message = chat(["-p", "x", "--messages", folder]).err;
  expect(message).toBe(`owl3: ${folder}: it is a folder.\n`);
});

test("SIGINT ends one question", async () => {
  const child = spawn(
    process.execPath,
    [binary, "chat", "-p", "Go on.", "--max-tokens", "20000", "--ctx", "2048", "-q"],
    {
      env: env(),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGINT");
  expect(await endOf(child)).toBe("SIGINT");
});

test("the helps of chat and video fit a screen and name every option once, also one that is in no group yet", async () => {
  const { createProgram } = await import("../../src/cli/main.js");
  for (const name of ["chat", "video"]) {
    const command = createProgram().commands.find((one) => one.name() === name) as Command;
    expect(owl3(name, "--help")).toEqual({ code: 0, out: command.helpInformation(), err: "" });
    const words = () => command.helpInformation().split(/[\s,]+/);
    const lines = command.helpInformation().trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    const usage = command.helpInformation().replace(/Examples:[\s\S]*/, "");
    for (const { long, hidden } of command.options)
      expect([long, usage.split(/[\s,]+/).filter((word) => word === long).length]).toEqual([long, hidden ? 0 : 1]);
    command.option("--brand-new <file>", "an option of tomorrow");
    expect(words()).toContain("--brand-new");
  }
});

test("names of llama.cpp, ollama and llm are understood", () => {
  const json = (...more: string[]) => JSON.parse(chat(["-p", "Describe this image.", "--json", ...more]).out);
  const ours = json("--temp", "0", "--repetition-penalty", "1", "--max-tokens", "12", "--image", picture("red.png"));
  const theirs = json("--temperature", "0", "--repeat-penalty", "1", "-n", "12", "-ngl", "0", "-a", picture("red.png"));
  expect(ours.text).toBe(red.greedy_text);
  expect(theirs.text).toBe(ours.text);
  const both = json("--temperature=0", "-n12", "-t", "1", "--ctx-size", "400", "--n-gpu-layers", "99", "--dry-run");
  expect(both.context).toBeLessThan(400);
  expect(chat(["-p", "x", "-ngl", "many"]).code).toBe(2);
});

test("the help of all commands fits a screen, too", () => {
  const help = owl3("--help");
  const lines = help.out.trimEnd().split("\n");
  expect([help.code, lines.length <= 24, lines.some((line) => line.length > 80)]).toEqual([0, true, false]);
  for (const name of ["chat", "video", "info", "convert", "quantize"])
    expect(lines.some((line) => line.startsWith(`  ${name} `))).toBe(true);
  expect(lines).toContain("Also: score, find, rm, sessions, logs, config, cache, bench, build, completion.");
});
