import { picture, rowsOf, text } from "../cells.js";
import { yesNoMetrics } from "../metrics.js";
import type { Format } from "../question.js";
import { firstPhrase } from "../rules.js";

export const pope: Format = {
  name: "pope",
  about: "POPE: JSONL, one file a split; yes or no, mean over the splits",
  questions: (data) =>
    rowsOf(data).map((row) => {
      const answer = text(row, "label").toLowerCase();
      return {
        id: `${row.data.name}/${text(row, "question_id")}`,
        prompt: async () => [
          await picture(row, "image"),
          `${text(row, "text")} Answer the question using a single word or phrase.`,
        ],
        candidates: ["Yes", "No"],
        answer,
        read: firstPhrase,
        score: (read) => Number(read === answer),
        groups: { split: row.data.name },
      };
    }),
  metrics: yesNoMetrics,
};
