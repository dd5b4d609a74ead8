import { answerWithLetter, lettered } from "../../prompt/choice.js";
import { list, optionIndex, picture, rowsOf, text } from "../cells.js";
import { choice } from "../choice.js";
import type { Format } from "../question.js";

export const ai2d: Format = {
  name: "ai2d",
  about: "AI2D: Parquet or JSONL with image, question, options, answer; first letter",
  questions: (data) =>
    rowsOf(data).map((row) => {
      const options = list(row, "options");
      return choice({
        id: `${row.data.name}/${row.at + 1}`,
        prompt: async () => [
          await picture(row, "image"),
          `\nQuestion: ${text(row, "question")}\nOptions:\n${lettered(options)}\n${answerWithLetter}`,
        ],
        options,
        right: optionIndex(row, "answer", options),
      });
    }),
};
