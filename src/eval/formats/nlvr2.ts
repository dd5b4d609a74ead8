import { optional, picture, rowsOf, text } from "../cells.js";
import type { Format } from "../question.js";
import { firstPhrase } from "../rules.js";

export const nlvr2: Format = {
  name: "nlvr2",
  about: "NLVR2: Parquet or JSONL with left_image, right_image, question, answer; yes or no",
  questions: (data) =>
    rowsOf(data).map((row) => {
      const answer = text(row, "answer").toLowerCase() === "false" ? "no" : "yes";
      return {
        id: optional(row, "identifier") ?? `${row.data.name}/${row.at + 1}`,
        prompt: async () => [
          "Left image: ",
          await picture(row, "left_image"),
          " Right image: ",
          await picture(row, "right_image"),
          `\n${text(row, "question")}\nyes or no? Answer the question using a single word.`,
        ],
        candidates: ["yes", "no"],
        answer,
        read: firstPhrase,
        score: (read) => Number(read === answer),
        groups: {},
      };
    }),
};
