import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { binary, endOf, folder, owl3, place, run } from "../support/cli.js";
import { root } from "../support/files.js";

vi.setConfig({ testTimeout: 120_000 });

const shapes = "examples/shapes.png"; // a red circle, a blue star and a green ring
const score = (...args: string[]) => owl3("score", "--no-cache", "--threads", "1", ...args);
const lines = (values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const parsed = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
let count = 0;
function file(text: string, name = `rows-${count++}.jsonl`): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("the help fits a screen and names every option", async () => {
  const { createProgram } = await import("../../src/cli/main.js");
  for (const name of ["score", "find"]) {
    const command = createProgram().commands.find((one) => one.name() === name);
    const help = owl3(name, "--help");
    expect(help).toMatchObject({ code: 0, err: "" });
    const shown = help.out.trimEnd().split("\n");
    expect(shown.length).toBeLessThanOrEqual(24);
    for (const line of shown) expect(line.length, line).toBeLessThanOrEqual(80);
    for (const { long, hidden } of command?.options ?? []) if (!hidden) expect(help.out).toContain(long);
  }
});

describe("one question", () => {
  const question = ["-p", "What color is the star?", "-c", "Red.", "-c", "Blue."];

  test("a table, the likeliest candidate first, without escape codes in a pipe", () => {
    const { code, out, err } = score(shapes, ...question);
    expect([code, err.includes("demo model")]).toEqual([0, true]);
    const [head, first, second, ...more] = out.trimEnd().split("\n");
    expect(head?.trim().split(/ {2,}/)).toEqual(["share", "log-prob", "per token", "tokens", "candidate"]);
    expect(first).toMatch(/^ +\d+\.\d % +-?\d\.\d{3} +-?\d\.\d{3} +2 {2}Blue\.$/);
    expect(second).toMatch(/ {2}Red\.$/);
    expect(more).toEqual([]);
    expect(out).not.toContain("\u001b");
  });

  test("--json: every token, in the order given; sums, means and shares agree", () => {
    const { code, out } = score(shapes, ...question, "--json");
    expect(code).toBe(0);
    const { best, candidates, usage, media } = JSON.parse(out);
    expect(best).toBe("Blue.");
    expect(candidates.map(({ text }: { text: string }) => text)).toEqual(["Red.", "Blue."]);
    let shares = 0;
    for (const { logprob, per_token, share, tokens } of candidates) {
      const sum = tokens.reduce((total: number, token: { logprob: number }) => total + token.logprob, 0);
      expect(logprob).toBeCloseTo(sum, 10);
      expect(per_token).toBeCloseTo(sum / tokens.length, 10);
      shares += share;
    }
    expect(shares).toBeCloseTo(1, 10);
    expect(usage).toEqual({ prompt_tokens: expect.any(Number), crops: 7 });
    expect(media).toEqual([expect.objectContaining({ path: shapes, grid: [2, 3] })]);
  });

  test("-q: the likeliest candidate alone; the question may be the last argument", () => {
    expect(score(shapes, "What color is the star?", "-c", "Red.", "-c", "Blue.", "-q")).toEqual({
      ...{ code: 0, out: "Blue.\n", err: "" },
    });
  });

  test("candidates from a file and from stdin, after those of -c", () => {
    const listed = file("Blue.\r\n\n  \nGreen.\n", "colors.txt");
    const from = (name: string, input = "") =>
      JSON.parse(
        run(
          [
            "score",
            shapes,
            "-p",
            "What color is the star?",
            "-c",
            "Red.",
            "--candidates",
            name,
            "--json",
            "--no-cache",
          ],
          {
            input,
          },
        ).out,
      ).candidates.map(({ text }: { text: string }) => text);
    expect(from(listed)).toEqual(["Red.", "Blue.", "Green."]);
    expect(from("-", "Pink.\n")).toEqual(["Red.", "Pink."]);
  });

  test("--letters scores letters, --whole the end of an answer, too", () => {
    const tokens = (...more: string[]) =>
      JSON.parse(score(shapes, ...question, "--json", ...more).out).candidates.map(
        ({ tokens: all, letter }: { tokens: { text: string }[]; letter?: string }) => [
          letter,
          ...all.map(({ text }) => text),
        ],
      );
    expect(tokens("--letters")).toEqual([
      ["A", "A"],
      ["B", "B"],
    ]);
    expect(tokens("--whole")).toEqual([
      [undefined, "Red", ".", "<|im_end|>"],
      [undefined, "Blue", ".", "<|im_end|>"],
    ]);
  });

  test("--yes-no and --shows: the probabilities of yes and no, and which spellings were summed", () => {
    const { code, out } = score(shapes, "--shows", "a red circle");
    expect(code).toBe(0);
    const [head, yes, no] = out.trimEnd().split("\n");
    expect(head).toBe("probability  answer  summed over");
    expect(yes).toMatch(
      /^ +(99\.\d|100\.0) % {2}yes {5}"Yes" [\d.]+ %, "yes" [\d.]+ %, "YES" .*, " Yes" .*, " yes" [\d.]+ %$/,
    );
    expect(no).toMatch(/^ +0\.\d % {2}no {6}"No" /);
    const shown = JSON.parse(score(shapes, "--shows", "a red circle", "--json").out);
    const asked = JSON.parse(score(shapes, "--yes-no", "Do you see a red circle?", "--json").out);
    expect(shown).toEqual(asked);
    const of = (answer: string) =>
      shown.spellings.reduce(
        (sum: number, one: { answer: string; probability: number }) =>
          sum + (one.answer === answer ? one.probability : 0),
        0,
      );
    expect([shown.yes, shown.no]).toEqual([of("yes"), of("no")]);
    const absent = score(shapes, "--shows", "a red square", "--question", "Is there {} in the image?", "-q");
    expect(absent.out).toMatch(/^0\.0\d{5}\n$/);
  });

  test("a clip, and a question without pictures", () => {
    const clip = score(
      "examples/moving.mp4",
      "-p",
      "What happens?",
      "-c",
      "A red circle moves to the right.",
      "-c",
      "A red circle moves to the left.",
      "-q",
    );
    expect(clip.out).toBe("A red circle moves to the right.\n");
    expect(score("-p", "What is in the picture?", "-c", "I see no picture.", "-c", "A red circle.", "-q").out).toBe(
      "I see no picture.\n",
    );
  });

  test("what is wrong is told in a sentence, with its exit code", () => {
    const cut = file(readFileSync(join(root, shapes)).subarray(0, 2000).toString("latin1"), "cut.png");
    writeFileSync(cut, readFileSync(join(root, shapes)).subarray(0, 2000));
    const q = ["-p", "What?"];
    const cases: [args: string[], code: number, message: RegExp][] = [
      [[shapes, ...q], 2, /there is nothing to score/],
      [[shapes, "-c", "a"], 2, /there is no question/],
      [[shapes, ...q, "-c", ""], 2, /a candidate is empty/],
      [[shapes, ...q, "-c", "a", "-c", "a"], 2, /the candidate "a" is given twice/],
      [[shapes, ...q, "--candidates", file("\n \n", "empty.txt")], 2, /has no candidates/],
      [[shapes, ...q, "--candidates", join(folder, "none.txt")], 3, /no such file/],
      [[shapes, "--shows", " "], 2, /what is looked for is empty/],
      [[shapes, "--shows", "a dog", "--question", "What?"], 2, /the question needs one {}/],
      [["nothing.png", ...q, "-c", "a"], 3, /there is no file nothing\.png/],
      [["package.json", ...q, "-c", "a"], 3, /neither a picture/],
      [[cut, ...q, "-c", "a"], 3, /cut\.png/],
      [[shapes, ...q, "-c", "word ".repeat(9000)], 2, /the context holds 8192/],
    ];
    for (const [args, code, message] of cases) {
      const done = score("-q", ...args);
      expect([done.code, done.out], args.join(" ").slice(0, 100)).toEqual([code, ""]);
      expect(done.err).toMatch(message);
      expect(done.err.trimEnd().split("\n")).toHaveLength(1);
    }
  });
});

describe("rows", () => {
  const rows = [
    { id: "star", image: shapes, prompt: "What color is the star?", candidates: ["Blue.", "Red."] },
    { image: "examples/before.png", prompt: "Is there a red square?" },
    {
      id: "pair",
      images: ["examples/before.png", "examples/after.png"],
      prompt: "Which picture shows a red square?",
      candidates: ["Picture 1.", "Picture 2."],
    },
    { id: "gone", image: "examples/gone.png", prompt: "What?" },
    { id: "list", image: shapes, prompt: "What?", candidates: "Blue." },
    { id: "twice", image: shapes, prompt: "What?", candidates: ["Blue.", "Blue."] },
  ];
  const shared = ["--media-root", ".", "-c", "Yes.", "-c", "No."];

  test("a line for each, in their order; rows that fail are told, and the others are done", () => {
    const { code, out, err } = score(file(lines(rows)), ...shared);
    expect(code).toBe(6);
    expect(err).toContain("3 of 6 rows failed");
    const made = parsed(out);
    expect(made.map(({ index, best, error }) => [index, best ?? error.code])).toEqual([
      [0, "Blue."],
      [1, "No."],
      [2, "Picture 2."],
      [3, "bad_file"],
      [4, "bad_row"],
      [5, "bad_row"],
    ]);
    expect(made[0]).toMatchObject({
      id: "star",
      input: rows[0],
      error: null,
      usage: { crops: 7 },
      model: "owl3-demo.gguf",
    });
    expect(made[0].candidates).toEqual(
      JSON.parse(
        score(shapes, "-p", "What color is the star?", "-c", "Blue.", "-c", "Red.", "--json").out,
      ).candidates.map(({ tokens: _, ...rest }: { tokens: unknown }) => rest),
    );
    expect(made.slice(3).map(({ error }) => error.message)).toEqual([
      expect.stringContaining("there is no file"),
      '"candidates" must be a list of texts.',
      'the candidate "Blue." is given twice.',
    ]);
  });

  test("a results file is gone on with, for the same scores only", () => {
    const [input, target] = [file(lines(rows.slice(0, 3))), join(place(), "scores.jsonl")];
    const go = (...more: string[]) => score(input, ...shared, "-o", target, ...more);
    expect(go().code).toBe(0);
    const whole = readFileSync(target, "utf8");
    const kept = whole.split("\n").slice(0, 1).join("\n");
    writeFileSync(target, `${kept}\n{"id":"torn`);
    const again = go();
    expect([again.code, again.out]).toEqual([0, ""]);
    expect(again.err).toContain("1 of 3 rows have results");
    expect(readFileSync(target, "utf8")).toBe(whole);
    const other = go("--letters");
    expect([other.code, other.err]).toEqual([2, expect.stringContaining("letters")]);
    const fewer = score(input, "--media-root", ".", "-c", "Yes.", "-o", target);
    expect([fewer.code, fewer.err]).toEqual([2, expect.stringContaining("candidates")]);
    expect(readFileSync(target, "utf8")).toBe(whole);
  });

  test("failed rows are scored again where asked", () => {
    const target = join(place(), "scores.jsonl");
    const input = file(lines(rows.slice(2, 4)));
    expect(score(input, ...shared, "-o", target).code).toBe(6);
    const second = score(input, ...shared, "-o", target);
    expect([second.code, second.err]).toEqual([6, expect.stringContaining("--retry-errors scores them again")]);
    expect(score(input, ...shared, "-o", target, "--retry-errors").code).toBe(6);
    expect(parsed(readFileSync(target, "utf8"))).toHaveLength(2);
  });

  test("however many go at a time and in shards, the scores are the same", () => {
    const input = file(lines(rows.slice(0, 3)));
    const whole = parsed(score(input, ...shared, "--concurrency", "3").out);
    expect(parsed(score(input, ...shared, "--concurrency", "1").out)).toEqual(whole);
    const target = join(place(), "scores.jsonl");
    for (const shard of ["0/2", "1/2"]) expect(score(input, ...shared, "-o", target, "--shard", shard).code).toBe(0);
    const shards = [0, 1].flatMap((i) => parsed(readFileSync(target.replace(".jsonl", `.${i}-of-2.jsonl`), "utf8")));
    expect(shards.sort((a, b) => a.index - b.index)).toEqual(whole);
  });

  test("--each: files one by one, as a table; names with commas and quotes stay whole", () => {
    const odd = join(place(), 'a "b", c.png');
    writeFileSync(odd, readFileSync(join(root, "examples/after.png")));
    const { code, out } = score(
      "--each",
      "examples/before.png",
      odd,
      "-p",
      "Is there a red square?",
      "-c",
      "Yes.",
      "-c",
      "No.",
      "--csv",
    );
    expect(code).toBe(0);
    const [head, ...more] = out.trimEnd().split("\n");
    expect(head).toBe("id,best,share,error");
    expect(more).toEqual([
      expect.stringMatching(/^examples\/before\.png,No\.,0\.\d{6},$/),
      expect.stringMatching(/^".*\/a ""b"", c\.png",Yes\.,0\.\d{6},$/),
    ]);
  });

  test("--shows takes a row's values, and rows come from a pipe and from CSV", () => {
    const captions = [
      { id: "right", image: shapes, caption: "a red circle" },
      { id: "wrong", image: shapes, caption: "a pink cross" },
    ];
    const shows = ["--shows", "{caption}", "--no-cache", "--threads", "1"];
    const piped = run(["score", "-", "--each", ...shows], { input: lines(captions) });
    expect(piped.code).toBe(0);
    const made = parsed(piped.out);
    expect(made.map(({ id, yes, no }) => [id, yes > 0.9, no > 0.9])).toEqual([
      ["right", true, false],
      ["wrong", false, true],
    ]);
    expect(made[0]).not.toHaveProperty("spellings");
    const csv = file(`id,image,caption\nright,${shapes},a red circle\nwrong,${shapes},a pink cross\n`, "captions.csv");
    const table = score(csv, "--media-root", ".", "--shows", "{caption}", "--csv").out.trimEnd().split("\n");
    expect(table[0]).toBe("id,yes,no,error");
    expect(table.slice(1).map((line) => line.split(",").slice(0, 2))).toEqual(
      made.map(({ id, yes }) => [id, yes.toFixed(6)]),
    );
  });

  test("--map, --input and -0 are those of owl3 batch", () => {
    const table = `path,asks,answers\n${shapes},What color is the star?,"[""Red."",""Blue.""]"\n`;
    const map = ["image=path", "prompt=asks", "candidates=answers"].flatMap((one) => ["--map", one]);
    const fromFile = parsed(
      score(file(table, "asked.txt"), "--media-root", ".", "--each", "--input", "csv", ...map).out,
    );
    expect(fromFile).toMatchObject([{ best: "Blue.", candidates: [{ text: "Red." }, { text: "Blue." }], error: null }]);
    const options = ["score", "--each", ...shared, "-p", "Does the picture show a blue star?", "--threads", "1", "-q"];
    const named = run([...options, "-0"], { input: "examples/shapes.png\0examples/before.png\0" });
    expect(parsed(named.out).map(({ id, best }) => [id, best])).toEqual([
      ["examples/shapes.png", "Yes."],
      ["examples/before.png", "No."],
    ]);
    const piped = run([...options, "-", "--input", "tsv", "--map", "image=path"], { input: `path\n${shapes}\n` });
    expect(parsed(piped.out)).toMatchObject([{ best: "Yes." }]);
  });

  test("what is wrong with a run as a whole is told before it begins", () => {
    const cases: [args: string[], code: number, message: RegExp][] = [
      [[file(lines(rows)), "--map", "picture=x"], 2, /there is no field "picture"/],
      [[file(lines(rows)), "--map", "temperature=x"], 2, /there is no field "temperature"/],
      [[file(lines(rows)), "--map", "x"], 2, /maps nothing/],
      [[shapes, "What?", "-c", "a", "-0"], 2, /are for rows/],
      [["--each", "--candidates", "-", "-p", "What?"], 2, /only one thing can be read from stdin/],
      [[file(lines(rows)), "-o", folder], 3, /./],
      [[join(folder, "none.jsonl")], 3, /none\.jsonl/],
      [["--each", place(), "-p", "What?", "-c", "a"], 3, /holds no pictures/],
    ];
    for (const [args, code, message] of cases) {
      const done = score(...args);
      expect([done.code, done.out], args.join(" ")).toEqual([code, ""]);
      expect(done.err.trimEnd().split("\n").at(-1)).toMatch(message);
    }
  });

  test("Ctrl-C leaves whole lines, and the same command goes on", async () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ ...rows[0], id: `row ${i}` }));
    const [input, target] = [file(lines(many)), join(place(), "scores.jsonl")];
    const args = ["score", input, ...shared, "-o", target, "--no-cache", "--threads", "1", "--concurrency", "1"];
    const child = spawn(process.execPath, [binary, ...args], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
    let told = "";
    child.stderr.on("data", (chunk) => {
      told += chunk;
    });
    await vi.waitUntil(() => existsSync(target) && readFileSync(target, "utf8").includes("\n"), {
      timeout: 60_000,
      interval: 2,
    });
    child.kill("SIGINT");
    const end = await endOf(child);
    const before = parsed(readFileSync(target, "utf8"));
    if (before.length < many.length)
      expect([end, told]).toEqual(["SIGINT", expect.stringContaining("goes on with it")]);
    expect(run(args).code).toBe(0);
    expect(parsed(readFileSync(target, "utf8")).map(({ id }) => id)).toEqual(many.map(({ id }) => id));
  });
});
