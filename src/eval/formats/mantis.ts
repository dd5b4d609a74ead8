import { answerWithLetter, lettered, letters } from "../../prompt/choice.js";
import { list, optional, pictures, rowsOf, text } from "../cells.js";
import { imageNumber, interleaved } from "../interleaved.js";
import type { Format } from "../question.js";
import { plainAnswer } from "../rules.js";

export const mantis: Format = {
  name: "mantis",
  about: "Mantis-Eval: Parquet or JSONL with images, question, options, answer; letter or short answer",
  questions: (data) =>
    rowsOf(data).map((row) => {
      const options = optional(row, "question_type") === "short-answer" ? [] : list(row, "options");
      const shown = options.every((option) => /^\(?[A-J][).:]/.test(option)) ? options.join("\n") : lettered(options);
      const answer = plainAnswer(text(row, "answer"));
      const instruction =
        options.length > 0 ? `\n${shown}\n${answerWithLetter}` : " Answer the question using a single word or phrase.";
      return {
        id: optional(row, "id") ?? `${row.data.name}/${row.at + 1}`,
        prompt: async () =>
          interleaved(
            text(row, "question") + instruction,
            "<image>",
            await pictures(row, "images"),
            imageNumber,
            row.where,
          ),
        candidates: options.length > 0 ? [...letters].slice(0, options.length) : undefined,
        answer,
        read: plainAnswer,
        score: (read) => Number(read === answer),
        groups: { type: options.length > 0 ? "multi-choice" : "short-answer" },
      };
    }),
};
