import { FileError } from "../../errors.js";
import { optionsBelow } from "../../prompt/choice.js";
import { placeMedia } from "../../prompt/placement.js";
import { list, optional, optionIndex, type Row, rowsOf, text } from "../cells.js";
import { choice } from "../choice.js";
import type { Format, Medium, Prompt, Question } from "../question.js";
import { delimitedLetter } from "../rules.js";
import { normalisedAnswer } from "../vqa-accuracy.js";

/**
 * Our own format, for questions of one's own: {"prompt", "images"?, "videos"?, "answer"} and "options" (shown with letters), "candidates" (answers to
 * choose from by log-probability, not shown), "id" and "group".
 */
export const jsonl: Format = {
  name: "jsonl",
  about: "your own: prompt, images, videos, options or candidates, answer, id, group",
  frames: 16,
  questions: (data) =>
    rowsOf(data).map((row): Question => {
      const group = optional(row, "group");
      const about = {
        id: optional(row, "id") ?? `${row.data.name}/${row.at + 1}`,
        groups: { ...(group && { group }) },
      };
      if (row.cells.options !== undefined) {
        const options = list(row, "options");
        const read = (answer: string): string => delimitedLetter(answer, options);
        return choice({
          ...about,
          prompt: () => promptOf(row, optionsBelow(options)),
          options,
          right: optionIndex(row, "answer", options),
          read,
        });
      }
      const answer = Array.isArray(row.cells.answer) ? list(row, "answer") : [text(row, "answer")];
      const right = new Set(answer.map(normalisedAnswer));
      return {
        ...about,
        prompt: () => promptOf(row, ""),
        candidates: row.cells.candidates === undefined ? undefined : list(row, "candidates"),
        answer: answer.length === 1 ? (answer[0] as string) : answer,
        read: normalisedAnswer,
        score: (read) => Number(right.has(read)),
      };
    }),
};

function promptOf(row: Row, more: string): Prompt {
  const files = (column: string): string[] => (row.cells[column] === undefined ? [] : list(row, column));
  const media: Medium[] = [
    ...files("images").map((file): Medium => ({ kind: "image", file })),
    ...files("videos").map((file): Medium => ({ kind: "video", file })),
  ];
  if (files("videos").length > 1) throw new FileError(`${row.where} has several videos; a question has one.`);
  return placeMedia(text(row, "prompt") + more, media).map((part) => ("type" in part ? part.text : part));
}
