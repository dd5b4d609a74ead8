import { UsageError } from "../../errors.js";
import { answerWithLetter, lettered } from "../../prompt/choice.js";
import { optional, optionIndex, picture, rowsOf, text } from "../cells.js";
import { choice } from "../choice.js";
import type { Format } from "../question.js";
import { delimitedLetter } from "../rules.js";

const types = ["Yes/No", "What", "How"];
const concerns = ["Distortion", "Other", "IC-Distortion", "IC-Other"];

export const qbench2: Format = {
  name: "qbench2",
  about: "Q-Bench2 dev, pairs of pictures: Parquet or JSONL; letter",
  questions: (data) =>
    rowsOf(data).map((row) => {
      if (optional(row, "correct_choice") === undefined)
        throw new UsageError(
          `${row.where} has no answer: the test split is scored by a server; the dev split has them.`,
        );
      const options = ["option0", "option1", "option2", "option3"].flatMap((column) => {
        const option = optional(row, column);
        return option === undefined || option === "N/A" ? [] : option;
      });
      const type = types[Number(optional(row, "question_type"))];
      const concern = concerns[Number(optional(row, "question_concern"))];
      return choice({
        id: `${row.data.name}/${row.at + 1}`,
        prompt: async () => [
          "Image 1: ",
          await picture(row, "image1"),
          "\nImage 2: ",
          await picture(row, "image2"),
          `\nQuestion: ${text(row, "question")}\nOptions: ${lettered(options)}\n${answerWithLetter}`,
        ],
        options,
        right: optionIndex(row, "correct_choice", options),
        groups: { ...(type && { type }), ...(concern && { concern }) },
        read: (answer) => delimitedLetter(answer),
      });
    }),
};
