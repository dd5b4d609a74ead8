import { FileError } from "../../errors.js";
import { optional, optionalPicture, rowsOf, text } from "../cells.js";
import type { Cells, Data, Format } from "../question.js";
import { shortAnswer } from "../rules.js";

export const gqa: Format = {
  name: "gqa",
  about: "GQA testdev: {id: {imageId, question, answer}} or rows of it; exact match in lower case",
  questions: (data) =>
    rowsOf(data.map(asRows)).map((row) => {
      const answer = text(row, "answer").trim().toLowerCase();
      return {
        id: optional(row, "id") ?? optional(row, "question_id") ?? `${row.data.name}/${row.at + 1}`,
        prompt: async () => [
          (await optionalPicture(row, "image")) ?? {
            kind: "image",
            file: `${text(row, "imageId")}.jpg`,
            folders: ["images"],
          },
          `${text(row, "question")} Answer the question using a single word or phrase.`,
        ],
        answer,
        read: shortAnswer,
        score: (read) => Number(read === answer),
        groups: {},
      };
    }),
};

/** The published file is one object with a member for each question. */
function asRows(data: Data): Data {
  if (!data.whole || "question" in data.whole) return data;
  const rows = Object.entries(data.whole).map(([id, value]) => {
    if (typeof value !== "object" || value === null)
      throw new FileError(`${data.path}: question ${id} is not an object.`);
    return { ...(value as Cells), id };
  });
  return { ...data, rows };
}
