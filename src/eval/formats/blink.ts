import { UsageError } from "../../errors.js";
import { answerWithLetter } from "../../prompt/choice.js";
import { list, optional, optionalPicture, optionIndex, rowsOf, text } from "../cells.js";
import { choice } from "../choice.js";
import { imageOrdinal, interleaved } from "../interleaved.js";
import { accuracyByGroup } from "../metrics.js";
import type { Format } from "../question.js";
import { plainAnswer } from "../rules.js";

export const blink: Format = {
  name: "blink",
  about: "BLINK val: Parquet or JSONL with image_1 to image_4, prompt, choices, answer; mean over tasks",
  questions: (data) =>
    rowsOf(data).map((row) => {
      if (optional(row, "answer") === "hidden")
        throw new UsageError(
          `${row.where} has no answer: the test split is scored by a server; the val split has them.`,
        );
      const options = list(row, "choices");
      const task = optional(row, "sub_task") ?? row.data.name;
      return choice({
        id: optional(row, "idx") ?? `${row.data.name}/${row.at + 1}`,
        prompt: async () => {
          const found = [];
          for (const column of ["image_1", "image_2", "image_3", "image_4"])
            found.push(await optionalPicture(row, column));
          const media = found.filter((medium) => medium !== undefined);
          return interleaved(`${text(row, "prompt")}\n${answerWithLetter}`, "<image>", media, imageOrdinal, row.where);
        },
        options,
        right: optionIndex(row, "answer", options),
        groups: { task },
        read: (answer) => plainAnswer(answer).toUpperCase(),
      });
    }),
  metrics: accuracyByGroup("task"),
};
