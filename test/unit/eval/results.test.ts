import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Question } from "../../../src/eval/question.js";
import { ResultsFile, type RunHeader } from "../../../src/eval/results.js";
import { outcomesOf } from "../../../src/eval/run.js";
import { selectQuestions } from "../../../src/eval/select.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const header: RunHeader = {
  owl3_eval: 1,
  format: "pope",
  model: { name: "m.gguf", bytes: 1, fingerprint: "aa" },
  data: [{ name: "d.json", bytes: 1, sha256: "bb" }],
  settings: { score: "letter", frames: 16 },
};
const line = (id: string) => ({ id, text: "Yes", read: "yes", answer: "yes", score: 1, groups: {}, ms: 3 });

test("results: what was written is there again, and a question that failed is asked again", () => {
  const path = join(folder, "a.jsonl");
  const first = ResultsFile.open(path, header);
  first.add(line("1"));
  first.add({ id: "2", error: "There is no file.", ms: 1 });
  first.close();
  const second = ResultsFile.open(path, header);
  expect([...second.done.values()]).toEqual([line("1")]);
  second.add(line("2"));
  second.close();
  const third = ResultsFile.open(path, header);
  expect([...third.done.keys()]).toEqual(["1", "2"]);
  third.close();
});

test("results: a torn last line is cut off, wherever it was torn", () => {
  const path = join(folder, "torn.jsonl");
  const whole = `${JSON.stringify(header)}\n${JSON.stringify(line("1"))}\n`;
  const last = `${JSON.stringify(line("Größe"))}\n`;
  const bytes = Buffer.from(last);
  for (let at = 0; at <= bytes.length; at++) {
    writeFileSync(path, whole);
    appendFileSync(path, bytes.subarray(0, at));
    const results = ResultsFile.open(path, header);
    expect([...results.done.keys()]).toEqual(at === bytes.length ? ["1", "Größe"] : ["1"]);
    results.add(line("3"));
    results.close();
    const kept = at === bytes.length ? [whole, last] : [whole];
    const expected = [...kept, JSON.stringify(line("3")), "\n"].join("");
    expect(readFileSync(path, "utf8")).toBe(expected);
  }
  writeFileSync(path, JSON.stringify(header).slice(0, 20));
  ResultsFile.open(path, header).close();
  expect(readFileSync(path, "utf8")).toBe(`${JSON.stringify(header)}\n`);
});

test("results: those of another run are refused in a sentence, and left as they are", () => {
  const path = join(folder, "other.jsonl");
  ResultsFile.open(path, header).close();
  const before = readFileSync(path, "utf8");
  const refused = (other: Partial<RunHeader>, why: string): void =>
    expect(() => ResultsFile.open(path, { ...header, ...other })).toThrow(why);
  refused({ format: "vqa" }, "holds results with the format pope, not vqa; remove it or name another one.");
  refused({ model: { ...header.model, fingerprint: "cc" } }, "another model (m.gguf)");
  refused({ data: [] }, "other data");
  refused({ settings: { score: "logprob", frames: 16 } }, "score letter, not logprob");
  refused({ settings: { score: "letter" } }, "frames 16, not undefined");
  expect(readFileSync(path, "utf8")).toBe(before);
  ResultsFile.open(path, { ...header, model: { ...header.model, name: "renamed.gguf" } }).close();
});

test("results: a file that is something else is not written to", () => {
  const path = join(folder, "notes.txt");
  writeFileSync(path, "my notes\n");
  expect(() => ResultsFile.open(path, header)).toThrow("is no results file of an evaluation");
  expect(readFileSync(path, "utf8")).toBe("my notes\n");
  writeFileSync(path, "my notes");
  expect(() => ResultsFile.open(path, header)).toThrow("is no results file of an evaluation");
  expect(readFileSync(path, "utf8")).toBe("my notes");
  writeFileSync(path, `${JSON.stringify(header)}\n{"id":3}\n`);
  expect(() => ResultsFile.open(path, header)).toThrow("line 2 is damaged");
  expect(() => ResultsFile.open(join(folder, "absent/a.jsonl"), header)).toThrow("can't be written: ENOENT");
});

const question = (id: string, unit?: string): Question => ({
  ...{
    id,
    prompt: () => [],
    answer: "yes",
    read: (answer) => answer,
    score: (read) => Number(read === "yes"),
    groups: {},
  },
  ...(unit !== undefined && { unit }),
});

test("results: outcomes are scored anew, and a unit with a missing question is left out", () => {
  const results = ResultsFile.open(join(folder, "units.jsonl"), header);
  results.add({ ...line("1"), score: 0 });
  results.add(line("2"));
  results.add({ id: "1000002", error: "gone", ms: 0 });
  const all = [question("1"), question("2", "2"), question("1000002", "2")];
  expect(outcomesOf(all, results).map(({ id, score }) => [id, score])).toEqual([["1", 1]]);
  results.close();
});

test("selection: whole units, the first ones or in an order of the seed", () => {
  const all = [
    question("1", "a"),
    question("2", "b"),
    question("3", "a"),
    ...Array.from({ length: 20 }, (_, i) => question(`n${i}`)),
  ];
  expect(selectQuestions(all, { limit: 2 }).map(({ id }) => id)).toEqual(["1", "3", "2"]);
  expect(selectQuestions(all, {})).toHaveLength(23);
  const shuffled = selectQuestions(all, { seed: 7 }).map(({ id }) => id);
  expect(shuffled).toEqual(selectQuestions(all, { seed: 7 }).map(({ id }) => id));
  expect(shuffled).not.toEqual(selectQuestions(all, { seed: 8 }).map(({ id }) => id));
  expect([...shuffled].sort()).toEqual(all.map(({ id }) => id).sort());
  expect(selectQuestions(all, { seed: 7, limit: 5 }).map(({ id }) => id)).toEqual(
    shuffled.slice(0, selectQuestions(all, { seed: 7, limit: 5 }).length),
  );
});
