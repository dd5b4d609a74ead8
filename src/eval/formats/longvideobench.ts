import { UsageError } from "../../errors.js";
import { answerWithLetter, lettered } from "../../prompt/choice.js";
import { list, optional, optionIndex, rowsOf, text } from "../cells.js";
import { choice, rightLetterOrText, videoEndings } from "../choice.js";
import type { Format } from "../question.js";

export const longvideobench: Format = {
  name: "longvideobench",
  about: "LongVideoBench val without subtitles: lvb_val.json; letter or text of the option",
  frames: 64,
  questions: (data) =>
    rowsOf(data).map((row) => {
      if (optional(row, "correct_choice") === undefined)
        throw new UsageError(
          `${row.where} has no answer: the test split is scored by a server; lvb_val.json has them.`,
        );
      const options = list(row, "candidates");
      const right = optionIndex(row, "correct_choice", options);
      const duration = optional(row, "duration_group");
      const category = optional(row, "question_category");
      return choice({
        id: text(row, "id"),
        prompt: () => [
          "Question: ",
          { kind: "video", file: text(row, "video_path"), folders: ["videos"], endings: videoEndings },
          `\n${text(row, "question").replaceAll("<|video|>", "")}\nOptions: ${lettered(options)}\n${answerWithLetter}`,
        ],
        options,
        right,
        groups: { ...(duration && { duration }), ...(category && { category }) },
        read: rightLetterOrText(options, right),
      });
    }),
};
