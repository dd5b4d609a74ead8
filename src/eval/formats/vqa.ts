import { FileError, UsageError } from "../../errors.js";
import { optional, optionalPicture, type Row, rowsOf, text } from "../cells.js";
import { mean } from "../metrics.js";
import type { Cells, Data, Format, Medium, Prompt, Question } from "../question.js";
import { normalisedAnswer, vqaAccuracy } from "../vqa-accuracy.js";

const single = "Answer the question using a single word or phrase.";

/** The three shapes that VQA data sets are published in: two files for VQAv2 and OK-VQA, one for TextVQA, one for VizWiz. */
export const vqa: Format = {
  name: "vqa",
  about: "VQAv2 and OK-VQA val (questions.json annotations.json), TextVQA val, VizWiz val: VQA accuracy",
  questions: (data) => {
    const questions = data.find(({ whole }) => Array.isArray(whole?.questions));
    const annotations = data.find(({ whole }) => Array.isArray(whole?.annotations));
    if (questions && annotations) return twoFiles(questions, annotations);
    if (questions) throw noAnswers(questions.path, "give the annotations file as well");
    const flat = data.map((file) =>
      Array.isArray(file.whole?.data) ? { ...file, rows: file.whole.data as Cells[] } : file,
    );
    return rowsOf(flat).map((row) => oneFile(row));
  },
  metrics: (outcomes) => [{ name: "VQA accuracy", value: mean(outcomes.map(({ score }) => score)) }],
};

const noAnswers = (file: string, advice: string): UsageError =>
  new UsageError(`${file} has no answers: ${advice}; test splits are scored by a server, which owl3 does not ask.`);

function twoFiles(questions: Data, annotations: Data): Question[] {
  const answers = new Map<string, string[]>();
  const rows = (data: Data, key: string): Data => ({ ...data, rows: (data.whole as Cells)[key] as Cells[] });
  for (const row of rowsOf([rows(annotations, "annotations")])) answers.set(text(row, "question_id"), given(row));
  const subtype = String(questions.whole?.data_subtype ?? "val2014");
  return rowsOf([rows(questions, "questions")]).map((row) => {
    const id = text(row, "question_id");
    const own = answers.get(id);
    if (!own) throw new FileError(`${row.where}: there is no annotation of question ${id}.`);
    const file = `COCO_${subtype}_${text(row, "image_id").padStart(12, "0")}.jpg`;
    const image: Medium = { kind: "image", file, folders: [subtype, `images/${subtype}`] };
    return question(id, () => [image, `${text(row, "question")} ${single}`], own);
  });
}

/** A row of TextVQA (image_id) or of VizWiz (image, answerable). */
function oneFile(row: Row): Question {
  if (!("answers" in row.cells)) throw noAnswers(row.data.path, "take the val split");
  const vizwiz = "answerable" in row.cells;
  const insufficient = vizwiz ? "When the provided information is insufficient, respond with 'Unanswerable'. " : "";
  const prompt = async (): Promise<Prompt> => [
    (await optionalPicture(row, "image")) ?? {
      kind: "image",
      file: `${text(row, "image_id")}.jpg`,
      folders: ["train_images", "images"],
    },
    `${text(row, "question")} ${insufficient}${single}`,
  ];
  const of = question(optional(row, "question_id") ?? `${row.data.name}/${row.at + 1}`, prompt, given(row));
  return vizwiz ? { ...of, read: (answer) => normalisedAnswer(answer.split(/[.,]/)[0] ?? "") } : of;
}

function question(id: string, prompt: Question["prompt"], answer: string[]): Question {
  return { id, prompt, answer, read: normalisedAnswer, score: (read) => vqaAccuracy(read, answer), groups: {} };
}

/** The answers that people gave: texts, or {answer}. */
function given(row: Row): string[] {
  const { answers } = row.cells;
  const texts = Array.isArray(answers)
    ? answers.map((one) => (typeof one === "object" && one !== null ? (one as { answer?: unknown }).answer : one))
    : [];
  if (texts.length === 0 || texts.some((one) => typeof one !== "string"))
    throw new FileError(`${row.where}: "answers" is not a list of answers.`);
  return texts as string[];
}
