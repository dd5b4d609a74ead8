import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Question } from "../../../src/eval/question.js";
import { Results, type RunHeader } from "../../../src/eval/results.js";
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

test("results: what was answered is there again, and a question that failed is asked again", async () => {
  const path = join(folder, "a.jsonl");
  const first = await Results.open(path, header);
  first.add(line("1"));
  first.add({ id: "2", error: "There is no file.", ms: 1 });
  await first.close();
  const second = await Results.open(path, header);
  expect([...second.done.values()]).toEqual([line("1")]);
  second.add(line("2"));
  await second.close();
  const lines = [header, line("1"), line("2")].map((value) => `${JSON.stringify(value)}\n`);
  expect(readFileSync(path, "utf8")).toBe(lines.join(""));
});

test("results: those of another run are refused in a sentence, and left as they are", async () => {
  const path = join(folder, "other.jsonl");
  await (await Results.open(path, header)).close();
  const before = readFileSync(path, "utf8");
  const refused = (other: Partial<RunHeader>, why: string): Promise<void> =>
    expect(Results.open(path, { ...header, ...other })).rejects.toThrow(why);
  await refused({ format: "vqa" }, "holds results with the format pope, not vqa; remove it or name another one.");
  await refused({ model: { ...header.model, fingerprint: "cc" } }, "another model (m.gguf)");
  await refused({ data: [] }, "other data");
  await refused({ settings: { score: "logprob", frames: 16 } }, "score letter, not logprob");
  await refused({ settings: { score: "letter" } }, "frames 16, not unset");
  expect(readFileSync(path, "utf8")).toBe(before);
  await (await Results.open(path, { ...header, model: { ...header.model, name: "renamed.gguf" } })).close();
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

test("results: outcomes are scored anew, and a unit with a missing question is left out", async () => {
  const results = await Results.open(join(folder, "units.jsonl"), header);
  results.add({ ...line("1"), score: 0 });
  results.add(line("2"));
  results.add({ id: "1000002", error: "gone", ms: 0 });
  const all = [question("1"), question("2", "2"), question("1000002", "2")];
  expect(outcomesOf(all, results).map(({ id, score }) => [id, score])).toEqual([["1", 1]]);
  await results.close();
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
