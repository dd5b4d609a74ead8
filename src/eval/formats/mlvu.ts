import { UsageError } from "../../errors.js";
import { lettered } from "../../prompt/choice.js";
import { list, optionIndex, rowsOf, text } from "../cells.js";
import { choice, videoEndings, videoPrompt } from "../choice.js";
import { accuracyByGroup } from "../metrics.js";
import type { Format } from "../question.js";
import { delimitedLetter } from "../rules.js";

export const mlvu: Format = {
  name: "mlvu",
  about: "MLVU, multiple choice: one JSON file a task; mean over tasks (asked as Video-MME is)",
  frames: 128,
  questions: (data) =>
    rowsOf(data).map((row) => {
      if (!("candidates" in row.cells))
        throw new UsageError(`${row.data.path} has open questions, which MLVU lets GPT-4 grade; owl3 does not ask it.`);
      const options = list(row, "candidates");
      const task = row.data.name.replace(/^\d+_/, "");
      return choice({
        id: `${task}/${row.at + 1}`,
        prompt: () =>
          videoPrompt(
            {
              kind: "video",
              file: text(row, "video"),
              folders: [`video/${row.data.name}`, "video"],
              endings: videoEndings,
            },
            text(row, "question"),
            lettered(options),
          ),
        options,
        right: optionIndex(row, "answer", options),
        groups: { task },
        read: (answer) => delimitedLetter(answer, options),
      });
    }),
  metrics: accuracyByGroup("task"),
};
