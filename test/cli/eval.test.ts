import { spawn } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { formats } from "../../src/eval/formats/index.js";
import { binary, endOf, owl3, place, run } from "../support/cli.js";
import { root } from "../support/files.js";

vi.setConfig({ testTimeout: 120_000 });

const shapes = "shapes.png";
/** Questions that the demo model answers right, and one whose right answer it does not give. */
const rows = [
  {
    id: "star",
    prompt: "Does the picture show a blue star?",
    images: [shapes],
    candidates: ["Yes.", "No."],
    answer: "Yes.",
    group: "one",
  },
  {
    id: "pair",
    prompt: "Which picture shows a red square?",
    images: ["before.png", "after.png"],
    candidates: ["Picture 1.", "Picture 2."],
    answer: "Picture 2.",
    group: "two",
  },
  {
    id: "clip",
    prompt: "What happens?",
    videos: ["moving.mp4"],
    answer: "A red circle moves to the right.",
    group: "clip",
  },
  {
    id: "wrong",
    prompt: "Does the picture show a blue star?",
    images: [shapes],
    candidates: ["Yes.", "No."],
    answer: "No.",
    group: "one",
  },
];
const lines = (values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const parsed = (file: string): Record<string, unknown>[] =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const withoutTime = (file: string): unknown[] => parsed(file).map(({ ms: _, ...line }) => line);

/** A folder with data; pictures come from examples. */
function data(values: unknown[] = rows, name = "own.jsonl"): { folder: string; file: string; results: string } {
  const folder = place();
  const file = join(folder, name);
  writeFileSync(file, typeof values === "string" ? values : lines(values));
  return { folder, file, results: join(folder, "results.jsonl") };
}
const evaluate = (file: string, results: string, ...more: string[]) =>
  owl3("eval", file, "--media-root", "examples", "-o", results, "--no-cache", "--threads", "1", "-q", ...more);

describe("owl3 eval", () => {
  const { file, results } = data();
  let whole: ReturnType<typeof owl3>;
  beforeAll(() => {
    whole = evaluate(file, results, "-f", "jsonl", "--json");
  }, 120_000);

  test("asks each question, writes a line for each and sums up on stdout", () => {
    expect(whole.err).toBe("");
    expect(whole.code).toBe(0);
    expect(JSON.parse(whole.out)).toMatchObject({
      format: "jsonl",
      score_by: "letter",
      questions: { asked: 4, counted: 4, failed: 0 },
      score: 0.75,
      metrics: { accuracy: 0.75 },
      groups: {
        group: { clip: { score: 1, questions: 1 }, one: { score: 0.5, questions: 2 }, two: { score: 1, questions: 1 } },
      },
    });
    const [header, ...answers] = parsed(results);
    expect(header).toMatchObject({
      owl3_eval: 1,
      format: "jsonl",
      settings: { score: "letter", frames: 16, max_tokens: 100 },
    });
    expect(answers.map(({ id, text, score }) => [id, text, score])).toEqual([
      ["star", "Yes.", 1],
      ["pair", "Picture 2.", 1],
      ["clip", "A red circle moves to the right.", 1],
      ["wrong", "Yes.", 0],
    ]);
  });

  test("with results of all questions, asks none and says the same", () => {
    const before = readFileSync(results, "utf8");
    const again = evaluate(file, results, "-f", "jsonl", "--json");
    expect(again.out).toBe(whole.out);
    expect(readFileSync(results, "utf8")).toBe(before);
  });

  test("goes on where another run was cut off, and gives the same results", () => {
    const { results: cut } = data();
    const text = readFileSync(results, "utf8");
    writeFileSync(cut, text.slice(0, text.indexOf('"pair"') + 20));
    const rest = evaluate(file, cut, "-f", "jsonl", "--json", "--concurrency", "3");
    expect(rest.code).toBe(0);
    const byId = (list: unknown[]) => list.map((line) => JSON.stringify(line)).sort();
    expect(byId(withoutTime(cut))).toEqual(byId(withoutTime(results)));
    expect(JSON.parse(rest.out)).toEqual({ ...JSON.parse(whole.out), results: cut });
  });

  test("refuses results of other options, other data or another model", () => {
    const refused = (why: string, ...more: string[]) => {
      const { code, out, err } = evaluate(file, results, "-f", "jsonl", ...more);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toBe(`owl3: ${results} holds results with ${why}; remove it or name another one.\n`);
    };
    refused("score letter, not logprob", "--score", "logprob");
    refused("frames 16, not 4", "--frames", "4");
    const { file: other } = data(rows.slice(1));
    expect(evaluate(other, results, "-f", "jsonl").err).toContain("holds results with other data");
  });

  test("a log-probability for each candidate, and open questions are asked", () => {
    const { results: scored } = data();
    const { code, out } = evaluate(file, scored, "-f", "jsonl", "--score", "logprob", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ score_by: "logprob", score: 0.75 });
    const [, star, pair, clip] = parsed(scored) as { text: string; logprobs?: Record<string, number> }[];
    expect(Object.keys(star?.logprobs ?? {})).toEqual(["Yes.", "No."]);
    expect(star?.logprobs?.["Yes."]).toBeGreaterThan(-0.1);
    expect(pair?.text).toBe("Picture 2.");
    expect(clip?.logprobs).toBeUndefined();
  });

  test("--limit and --shuffle choose questions, and a later run may ask more", () => {
    const { results: few } = data();
    const one = evaluate(file, few, "-f", "jsonl", "--json", "--limit", "2", "--shuffle", "5");
    expect(JSON.parse(one.out).questions).toEqual({ asked: 2, counted: 2, failed: 0 });
    const all = evaluate(file, few, "-f", "jsonl", "--json");
    expect(JSON.parse(all.out)).toEqual({ ...JSON.parse(whole.out), results: few });
    expect(parsed(few)).toHaveLength(5);
  });

  test("without --json, a table for people", () => {
    expect(evaluate(file, results, "-f", "jsonl").out).toBe(
      [
        "your own: prompt, images, videos, options or candidates, answer, id, group",
        "4 of 4 questions count",
        "  accuracy   75.00 %",
        "by group",
        "  clip      100.00 %  1",
        "  one        50.00 %  2",
        "  two       100.00 %  1",
        "",
      ].join("\n"),
    );
  });
});

test("owl3 eval: a question that fails does not stop the others; they are counted, told, and asked again", () => {
  const { folder, file, results } = data([
    { id: "gone", prompt: "?", images: ["absent.png"], answer: "x" },
    { id: "out", prompt: "?", images: ["../package.json"], answer: "x" },
    { id: "odd", prompt: "?", images: ["own.jsonl"], answer: "x" },
    { id: "link", prompt: "?", images: ["link.png"], answer: "x" },
    { ...rows[0], images: ["shapes.png"] },
  ]);
  symlinkSync(join(root, "examples/shapes.png"), join(folder, "link.png"));
  writeFileSync(join(folder, "shapes.png"), readFileSync(join(root, "examples/shapes.png")));
  const again = () => owl3("eval", file, "-f", "jsonl", "-o", results, "--no-cache", "--json");
  const { code, out, err } = again();
  expect(code).toBe(6);
  expect(JSON.parse(out)).toMatchObject({ questions: { asked: 5, counted: 1, failed: 4 }, score: 1 });
  expect(err).toMatch(/^owl3: 4 of 5 rows failed, the first one because: there is no file absent\.png below .*\.$/m);
  const failed = parsed(results).filter((line) => "error" in line);
  expect(failed.map(({ error }) => error)).toEqual([
    expect.stringContaining("there is no file absent.png"),
    expect.stringContaining("not a path below the media root"),
    expect.stringContaining("is neither a picture"),
    expect.stringContaining("leads out of the media root"),
  ]);
  writeFileSync(join(folder, "absent.png"), readFileSync(join(root, "examples/shapes.png")));
  expect(JSON.parse(again().out).questions).toEqual({ asked: 5, counted: 2, failed: 3 });
});

test("owl3 eval: benchmarks with yes and no and with letters run from their own files", () => {
  const pope = data([
    { question_id: 1, image: shapes, text: "Is there a circle?", label: "yes" },
    { question_id: 2, image: shapes, text: "Is there a square?", label: "no" },
  ]);
  const popular = evaluate(pope.file, pope.results, "-f", "pope", "--score", "logprob", "--json");
  expect(popular.code).toBe(0);
  expect(Object.keys(JSON.parse(popular.out).metrics)).toEqual(["accuracy", "precision", "recall", "f1", "yes_ratio"]);
  const base64 = readFileSync(join(root, "examples", shapes)).toString("base64");
  const bench = place();
  const tsv = join(bench, "dev.tsv");
  writeFileSync(tsv, `index\tquestion\tA\tB\tanswer\timage\n3\tWhich is there?\ta star\ta dog\tA\t${base64}\n`);
  const circular = evaluate(tsv, join(bench, "r.jsonl"), "-f", "mmbench", "--score", "logprob", "--json");
  expect(circular.code).toBe(0);
  expect(JSON.parse(circular.out).questions.asked).toBe(2);
  const pairs = evaluate(
    "test/fixtures/eval/pairs.parquet",
    join(bench, "p.jsonl"),
    "-f",
    "nlvr2",
    "--limit",
    "2",
    "--json",
  );
  expect(pairs.code).toBe(0);
  expect(JSON.parse(pairs.out).questions.counted).toBe(2);
});

test("owl3 eval: Ctrl-C keeps what is done, and the same command goes on", async () => {
  const many = Array.from({ length: 300 }, (_, i) => ({ ...rows[0], id: `q${i}` }));
  const { file, results } = data(many);
  const args = ["eval", file, "-f", "jsonl", "--media-root", "examples", "-o", results, "--no-cache"];
  const child = spawn(process.execPath, [binary, ...args], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
  let err = "";
  child.stderr.on("data", (piece) => {
    err += piece;
  });
  const ended = endOf(child);
  while (!existsSync(results) || readFileSync(results, "utf8").split("\n").length < 4)
    await new Promise((wait) => setTimeout(wait, 20));
  child.kill("SIGINT");
  expect(await ended).toBe("SIGINT");
  expect(err).toContain(`The results so far are in ${results}; the same command goes on with it.`);
  const done = parsed(results).length - 1;
  expect(done).toBeGreaterThanOrEqual(2);
  expect(done).toBeLessThan(300);
  const rest = run([...args, "--limit", String(done + 1), "--json"]);
  expect(rest.code).toBe(0);
  expect(rest.err).toContain(`${done} of ${done + 1} questions have results in ${results}.`);
  expect(parsed(results)).toHaveLength(done + 2);
});

test("owl3 eval: --max-errors stops, and two runs on one file are refused", async () => {
  const { file, results } = data(
    Array.from({ length: 40 }, (_, i) => ({ id: `${i}`, prompt: "?", images: ["gone.png"], answer: "x" })),
  );
  const stopped = evaluate(file, results, "-f", "jsonl", "--max-errors", "2");
  expect(stopped.code).toBe(6);
  expect(stopped.err).toMatch(/rows failed; the run stopped there, the first one because: there is no file gone\.png/);
  expect(parsed(results).length).toBeLessThan(10);
  writeFileSync(`${results}.lock`, JSON.stringify({ pid: 1, host: "elsewhere" }));
  const second = evaluate(file, results, "-f", "jsonl");
  expect([second.code, second.err]).toEqual([
    1,
    `owl3: another owl3 (process 1 on elsewhere) is writing ${results}.\n`,
  ]);
});

test("owl3 eval: wrong arguments and what can't be scored end with 2, missing files with 3", () => {
  const { file, results } = data();
  const refused = (code: number, why: string, ...args: string[]) => {
    const ended = owl3("eval", ...args);
    expect([ended.code, ended.out, ended.err.split("\n").at(-2)]).toEqual([code, "", expect.stringContaining(why)]);
  };
  refused(2, "owl3 eval needs -f, --format <name>", file);
  refused(2, "owl3 eval needs DATA", "-f", "pope");
  refused(2, "there is no format pop; there are vqa, gqa,", file, "-f", "pop");
  refused(2, "MM-Vet is graded by GPT-4", file, "-f", "mmvet");
  refused(2, "are open; there are no options to compare", ...gqa(), "-f", "gqa", "--score", "logprob", "-o", results);
  refused(3, 'has no text in "label"', file, "-f", "pope", "-o", results);
  refused(3, "there is no file absent.json", "absent.json", "-f", "pope", "-o", results);
  refused(3, "the media root absent can't be opened", file, "-f", "jsonl", "--media-root", "absent", "-o", results);
  expect(existsSync(results)).toBe(false);
});

function gqa(): string[] {
  return [data([{ imageId: "1", question: "?", answer: "x" }]).file];
}

test("owl3 eval: the help lists all formats", () => {
  const { out } = owl3("eval", "--help");
  const listed = (out.split("Formats")[1] ?? "").split(/[\s:]+/);
  for (const { name } of formats) expect(listed).toContain(name);
});
