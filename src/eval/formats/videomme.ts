import { list, optional, optionIndex, rowsOf, text } from "../cells.js";
import { choice, videoEndings, videoPrompt } from "../choice.js";
import type { Format } from "../question.js";
import { letterAfterPhrases } from "../rules.js";

export const videomme: Format = {
  name: "videomme",
  about: "Video-MME without subtitles: Parquet or JSONL; accuracy, and by duration",
  frames: 128,
  questions: (data) =>
    rowsOf(data).map((row) => {
      const options = list(row, "options");
      const named = {
        duration: optional(row, "duration"),
        domain: optional(row, "domain"),
        task: optional(row, "task_type"),
      };
      return choice({
        id: optional(row, "question_id") ?? `${row.data.name}/${row.at + 1}`,
        prompt: () =>
          videoPrompt(
            { kind: "video", file: text(row, "videoID"), folders: ["data", "videos"], endings: videoEndings },
            text(row, "question"),
            options.join("\n"), // they begin with their letters
          ),
        options,
        right: optionIndex(row, "answer", options),
        groups: Object.fromEntries(Object.entries(named).filter((entry): entry is [string, string] => !!entry[1])),
        read: letterAfterPhrases,
      });
    }),
};
