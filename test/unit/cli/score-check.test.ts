import { expect, test } from "vitest";
import { checkFlags, isEach } from "../../../src/cli/score/check.js";
import type { ScoreFlags } from "../../../src/cli/score/flags.js";

const flags = (more: Partial<ScoreFlags>): ScoreFlags => ({
  ...{ device: "auto", precision: "auto", cache: true, repackCache: true, concurrency: 8, map: [] },
  ...more,
});
const refused = (args: string[], more: Partial<ScoreFlags>): string | undefined => {
  try {
    checkFlags(args, flags(more));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

test("score: options that exclude each other are refused", () => {
  const cases: [args: string[], flags: Partial<ScoreFlags>, message: RegExp][] = [
    [["a.png"], { prompt: "What?" }, /nothing to score/],
    [["a.png"], { prompt: " ", candidate: ["a"] }, /the prompt is empty/],
    [["a.png"], { yesNo: true, candidate: ["a"] }, /--yes-no scores yes and no/],
    [["a.png"], { yesNo: true, candidates: "list" }, /--yes-no scores yes and no/],
    [["a.png"], { shows: "a dog", letters: true }, /--shows scores yes and no/],
    [["a.png"], { shows: "a dog", whole: true }, /--shows scores yes and no/],
    [["a.png"], { shows: "a dog", yesNo: true }, /leave out --yes-no/],
    [["a.png"], { shows: "a dog", prompt: "What?" }, /--shows asks its own question/],
    [["a.png"], { yesNo: true, question: "{}?" }, /--question is the question that --shows asks/],
    [["-"], { candidates: "-" }, /only one thing can be read from stdin/],
    [["a.png"], { candidate: ["a"], csv: true }, /are for rows/],
    [["a.png"], { candidate: ["a"], out: "x" }, /are for rows/],
    [["a.png"], { candidate: ["a"], map: [["image", "x"]] }, /are for rows/],
    [["a.png"], { candidate: ["a"], null: true }, /are for rows/],
    [["a.png"], { candidate: ["a"], input: "csv" }, /are for rows/],
    [[], { each: true, candidates: "-", prompt: "What?" }, /only one thing can be read from stdin/],
    [["-"], { each: true, null: true, candidate: ["a"] }, /give the question of all rows/],
    [["a.txt"], { each: true, null: true, input: "csv" }, /--null separates names/],
    [["a.jsonl"], { csv: true, out: "x" }, /--csv prints a table/],
    [["a.jsonl"], { csv: true, json: true }, /--csv and --json/],
    [["a.jsonl"], { out: "-" }, /results go to stdout without -o/],
    [["a.jsonl"], { retryErrors: true }, /--retry-errors is about results/],
    [["a.png"], { each: true, candidate: ["a"] }, /give the question of all rows/],
    [["photos"], { each: true, prompt: "What?" }, /give the answers to score/],
  ];
  for (const [args, more, message] of cases) expect(refused(args, more), message.source).toMatch(message);
});

test("score: what goes together is not refused", () => {
  const cases: [args: string[], flags: Partial<ScoreFlags>][] = [
    [["a.png"], { candidate: ["a"] }],
    [["a.png"], { candidate: ["a"], candidates: "-", letters: true, whole: true }],
    [["a.png"], { yesNo: true, prompt: "Is it?" }],
    [["a.png"], { shows: "a dog", question: "Is it {}?" }],
    [["a.jsonl"], {}],
    [["-"], { each: true }],
    [["a.txt"], { each: true, input: "csv", map: [["candidates", "x"]] }],
    [["-"], { each: true, null: true, shows: "a dog" }],
    [["photos"], { each: true, shows: "a dog", csv: true }],
    [["photos"], { each: true, prompt: "What?", candidate: ["a"], out: "x", retryErrors: true }],
  ];
  for (const [args, more] of cases) expect(refused(args, more), JSON.stringify([args, more])).toBeUndefined();
});

test("score: rows are meant by --each, and by a JSONL, CSV or TSV file", () => {
  expect(isEach(["a.png"], flags({}))).toBe(false);
  expect(isEach(["a.png"], flags({ each: true }))).toBe(true);
  for (const name of ["a.jsonl", "a.ndjson", "a.CSV", "a.tsv"]) expect(isEach(["b.png", name], flags({}))).toBe(true);
});
