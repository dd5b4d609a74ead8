import { UsageError } from "../../errors.js";
import { answerWithLetter, lettered } from "../../prompt/choice.js";
import { number, optional, optionIndex, picture, type Row, rowsOf, text } from "../cells.js";
import { choice } from "../choice.js";
import { accuracy, mean } from "../metrics.js";
import type { Format, Medium, Question } from "../question.js";
import { delimitedLetter } from "../rules.js";

/** Rows that ask a question again with its options hasRotations have this much added to its index, once or several times. */
const rotation = 1_000_000;

export const mmbench: Format = {
  name: "mmbench",
  about: "MMBench dev: TSV; a question counts if it is right in all rotations of its options",
  questions: (data) => {
    const rows = rowsOf(data);
    if (rows.every((row) => optional(row, "answer") === undefined))
      throw new UsageError(
        `${rows[0]?.data.path} has no answers: MMBench's test split is scored by its server; the dev split has them.`,
      );
    const byIndex = new Map(rows.map((row) => [number(row, "index"), row]));
    const hasRotations = rows.some((row) => number(row, "index") >= rotation);
    return rows.flatMap((row) => questionsOf(row, byIndex, hasRotations));
  },
  metrics: (outcomes) => [
    { ...(accuracy(outcomes)[0] as { value: number }), name: "circular accuracy" },
    { name: "accuracy of single questions", value: mean(outcomes.map(({ score }) => score)) },
  ],
};

/** The question of a row and, if the data hold no rotations, all rotations of it. */
function questionsOf(row: Row, byIndex: ReadonlyMap<number, Row>, hasRotations: boolean): Question[] {
  const index = number(row, "index");
  const options = ["A", "B", "C", "D", "E"].flatMap((letter) => optional(row, letter) ?? []);
  const right = optionIndex(row, "answer", options);
  const named = { category: optional(row, "category"), "l2-category": optional(row, "l2-category") };
  const groups = Object.fromEntries(Object.entries(named).filter((entry): entry is [string, string] => !!entry[1]));
  return Array.from({ length: hasRotations ? 1 : options.length }, (_, turn) => {
    const rotated = [...options.slice(turn), ...options.slice(0, turn)];
    return choice({
      id: String(index + turn * rotation),
      unit: String(index % rotation),
      prompt: async () => [
        await pictureOf(row, byIndex),
        `Context: ${optional(row, "hint") ?? "N/A"}\nQuestion: ${text(row, "question")}\nOptions: ${lettered(rotated)}\n${answerWithLetter}`,
      ],
      options: rotated,
      right: (right - turn + options.length) % options.length,
      groups,
      read: (answer) => delimitedLetter(answer, rotated),
    });
  });
}

/** Base64, or the index of the row that has it. */
function pictureOf(row: Row, byIndex: ReadonlyMap<number, Row>): Promise<Medium> {
  const cell = optional(row, "image") ?? "";
  const other = /^\d{1,12}$/.test(cell) ? byIndex.get(Number(cell)) : undefined;
  return picture(other ?? row, "image", { base64: true });
}
