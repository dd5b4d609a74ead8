import { FileError, UsageError } from "../../errors.js";
import { answerWithLetter } from "../../prompt/choice.js";
import { optional, pictures, type Row, rowsOf } from "../cells.js";
import { imageNumber, imageOrdinal, interleaved } from "../interleaved.js";
import { accuracyByGroup } from "../metrics.js";
import type { Cells, Format } from "../question.js";
import { plainAnswer } from "../rules.js";

/** Data sets whose questions bring their own instruction. */
const instructed = new Set(["Mantis", "MathVerse", "SciVerse"]);

export const interleave: Format = {
  name: "interleave",
  about:
    "LLaVA-Interleave-Bench JSON (BLINK, Mantis, MathVerse-mv, SciVerse-mv ..): multiple choice; open questions are left out",
  questions: (data) => {
    const rows = rowsOf(data).filter((row) => metadata(row).question_type !== "open-ended");
    if (rows.length === 0)
      throw new UsageError(
        "All questions are open ones, which are compared by ROUGE-L; owl3 scores those with options.",
      );
    return rows.map((row) => {
      const dataset = String(metadata(row).dataset ?? "");
      const isChoice = metadata(row).question_type === "multi-choice";
      const answer = plainAnswer(said(row, 1));
      return {
        id: optional(row, "sample_id") ?? `${row.data.name}/${row.at + 1}`,
        prompt: async () => {
          const name = dataset === "BLINK" ? imageOrdinal : imageNumber;
          const more = isChoice && !instructed.has(dataset) ? `\n${answerWithLetter}` : "";
          const question = dataset === "SciVerse" ? said(row, 0).replace(sciVerse, sciVerseAsked) : said(row, 0);
          return interleaved(question + more, "<image>", await pictures(row, "image"), name, row.where);
        },
        candidates: /^[a-h]$/.test(answer) ? ["A", "B", "C", "D", "E", "F", "G", "H"] : undefined,
        answer,
        read: plainAnswer,
        score: (read) => Number(read === answer),
        groups: { dataset },
      };
    });
  },
  metrics: accuracyByGroup("dataset"),
};

const sciVerse = "Answer with the option's letter from the given choices directly.";
const sciVerseAsked = `\nPlease select the correct paired scientific diagram from four given images. ${sciVerse}`;

function metadata(row: Row): Cells {
  const { metadata: value } = row.cells;
  return typeof value === "object" && value !== null ? (value as Cells) : {};
}

/** The text of a turn: 0 is the question, 1 the answer. */
function said(row: Row, turn: number): string {
  const { conversations } = row.cells;
  const value = Array.isArray(conversations)
    ? (conversations[turn] as { value?: unknown } | undefined)?.value
    : undefined;
  if (typeof value !== "string") throw new FileError(`${row.where} has no question and answer in "conversations".`);
  return value;
}
