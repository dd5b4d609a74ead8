import { lettered } from "../../prompt/choice.js";
import { optional, optionIndex, rowsOf, text } from "../cells.js";
import { choice, videoEndings, videoPrompt } from "../choice.js";
import type { Format } from "../question.js";

export const nextqa: Format = {
  name: "nextqa",
  about: "NExT-QA, multiple choice: CSV or Parquet; accuracy, and by type of question",
  frames: 8,
  questions: (data) =>
    rowsOf(data).map((row) => {
      const options = ["a0", "a1", "a2", "a3", "a4"].map((column) => text(row, column));
      const video = text(row, "video");
      const type = (optional(row, "type") ?? "").replace("TP", "TN"); // before and after count as one
      return choice({
        id: `${video}/${text(row, "qid")}`,
        prompt: () =>
          videoPrompt(
            { kind: "video", file: video, folders: ["NExTVideo", "videos"], endings: videoEndings },
            text(row, "question"),
            lettered(options),
          ),
        options,
        right: optionIndex(row, "answer", options),
        groups: type === "" ? {} : { type, kind: kinds[type[0] as string] ?? "other" },
      });
    }),
};

const kinds: Record<string, string> = { C: "causal", T: "temporal", D: "descriptive" };
