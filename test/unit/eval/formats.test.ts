import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readData } from "../../../src/eval/data.js";
import { findFormat, formats, readQuestions } from "../../../src/eval/formats/index.js";
import type { Medium, Question } from "../../../src/eval/question.js";
import { summarise } from "../../../src/eval/summary.js";
import { fixtures, root, temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const base64 = (await readFile(join(root, "examples/before.png"))).toString("base64");

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}
const lines = (rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

async function questions(format: string, ...files: string[]): Promise<Question[]> {
  return readQuestions(findFormat(format), await Promise.all(files.map(readData)));
}

/** A prompt as text: [image before.png], [image of 3 bytes], [video clip]. */
async function shown(question: Question | undefined): Promise<string> {
  const name = (medium: Medium): string => ("file" in medium ? medium.file : `of ${medium.bytes.length} bytes`);
  const prompt = (await question?.prompt()) ?? [];
  return prompt.map((part) => (typeof part === "string" ? part : `[${part.kind} ${name(part)}]`)).join("");
}
const verdict = (question: Question | undefined, answer: string): number =>
  question?.score(question.read(answer)) ?? -1;
const letter = "Answer with the option’s letter from the given choices directly.";
const single = "Answer the question using a single word or phrase.";

test("pope: the prompt, yes and no, and a split for each file", async () => {
  const row = (id: number, label: string) => ({ question_id: id, image: "COCO_1.jpg", text: "Is there a dog?", label });
  const all = await questions(
    "pope",
    file("random.json", lines([row(1, "yes"), row(2, "no")])),
    file("popular.json", lines([row(1, "no")])),
  );
  expect(all.map(({ id, answer, groups }) => [id, answer, groups.split])).toEqual([
    ["random/1", "yes", "random"],
    ["random/2", "no", "random"],
    ["popular/1", "no", "popular"],
  ]);
  expect(await shown(all[0])).toBe(`[image COCO_1.jpg]Is there a dog? ${single}`);
  expect(["Yes", "yes, there is.", "No.", ""].map((answer) => verdict(all[0], answer))).toEqual([1, 1, 0, 0]);
});

test("mmbench: base64 pictures, pictures of other rows, and circular scoring of rotations", async () => {
  const head = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\tl2-category\timage\n";
  const data = `${head}7\tWhat is it?\tLook.\tcat\tdog\tcow\t\tB\tobjects\tcoarse\t${base64}\n1000007\tWhat is it?\tLook.\tdog\tcow\tcat\t\tA\tobjects\tcoarse\t7\n8\tWhich?\t\t1\t2\t\t\tA\tmore\tfine\t${base64}\n`;
  const all = await questions("mmbench", file("dev.tsv", data));
  expect(all.map(({ id, unit, answer }) => [id, unit, answer])).toEqual([
    ["7", "7", "B"],
    ["1000007", "7", "A"],
    ["8", "8", "A"],
  ]);
  const bytes = Buffer.from(base64, "base64").length;
  expect(await shown(all[1])).toBe(
    `[image of ${bytes} bytes]Context: Look.\nQuestion: What is it?\nOptions: A. dog\nB. cow\nC. cat\n${letter}`,
  );
  expect(await shown(all[2])).toContain("Context: N/A\n");
  expect(all[2]?.candidates).toEqual(["A", "B"]);
  expect(["B", "B. dog", "a dog", "(C)"].map((answer) => verdict(all[0], answer))).toEqual([1, 1, 1, 0]);
  const outcomes = all.map((question, i) => ({
    ...question,
    unit: question.unit as string,
    read: "",
    score: i === 1 ? 0 : 1,
  }));
  expect(summarise(findFormat("mmbench"), outcomes, 3, 0)).toMatchObject({
    metrics: [
      { name: "circular accuracy", value: 0.5 },
      { name: "accuracy of single questions", value: 2 / 3 },
    ],
    groups: { "l2-category": { coarse: { score: 0, questions: 2 }, fine: { score: 1, questions: 1 } } },
  });
});

test("mmbench: data without rotations get them, and each has its own right letter", async () => {
  const data = `index\tquestion\tA\tB\tC\tanswer\timage\n5\tWhat?\tx\ty\tz\tB\t${base64}\n`;
  const all = await questions("mmbench", file("plain.tsv", data));
  expect(all.map(({ id, unit, answer }) => [id, unit, answer])).toEqual([
    ["5", "5", "B"],
    ["1000005", "5", "A"],
    ["2000005", "5", "C"],
  ]);
  expect(await shown(all[2])).toContain("A. z\nB. x\nC. y\n");
});

test("nextqa: CSV, eight frames, types of questions", async () => {
  const data =
    "video,frame_count,question,answer,qid,type,a0,a1,a2,a3,a4\n123,900,why did he run,1,6,CW,fun,late,fear,sport,joy\n123,900,what came before,4,7,TP,a,b,c,d,e\n";
  const all = await questions("nextqa", file("mc.csv", data));
  expect(await shown(all[0])).toBe(
    `[video 123]\nQuestion: why did he run\nOptions: A. fun\nB. late\nC. fear\nD. sport\nE. joy\n${letter}`,
  );
  expect(all.map(({ answer, groups }) => [answer, groups])).toEqual([
    ["B", { type: "CW", kind: "causal" }],
    ["E", { type: "TN", kind: "temporal" }],
  ]);
  expect(["B. late", "b", "late", ""].map((answer) => verdict(all[0], answer))).toEqual([1, 1, 0, 0]);
  expect(findFormat("nextqa").frames).toBe(8);
});

test("mvbench: a file a task, parts of videos, letter or text", async () => {
  const row = {
    video: "v.mp4",
    question: "Which way?",
    candidates: ["moving left", "moving right"],
    answer: "moving right",
  };
  const all = await questions(
    "mvbench",
    file("moving_direction.json", [row]),
    file("action_sequence.json", [{ ...row, start: 1.5, end: 4 }]),
  );
  expect(await shown(all[0])).toBe(
    `[video v.mp4]\nQuestion: Which way?\nOptions:\nA. moving left\nB. moving right\n${letter}`,
  );
  expect((await all[1]?.prompt())?.[0]).toMatchObject({
    ...{ start: 1.5, end: 4 },
    folders: ["star/Charades_v1_480", "video/star/Charades_v1_480"],
  });
  expect(["B", "b. it is moving", "A. moving right", "A", "moving"].map((answer) => verdict(all[0], answer))).toEqual([
    1, 1, 1, 0, 0,
  ]);
  expect(all.map(({ groups }) => groups.task)).toEqual(["moving_direction", "action_sequence"]);
});

test("videomme, longvideobench, mlvu: prompts and frame counts", async () => {
  const options = ["A. one", "B. two", "C. three", "D. four"];
  const mme = {
    question_id: "001-1",
    videoID: "abc",
    duration: "short",
    domain: "Knowledge",
    task_type: "Counting Problem",
    question: "How many?",
    options,
    answer: "C",
  };
  const [first] = await questions("videomme", file("mme.jsonl", lines([mme])));
  expect(await shown(first)).toBe(`[video abc]\nQuestion: How many?\nOptions: ${options.join("\n")}\n${letter}`);
  expect(["The best answer is C", "three", "C. three"].map((answer) => verdict(first, answer))).toEqual([1, 0, 1]);
  expect(first?.groups).toEqual({ duration: "short", domain: "Knowledge", task: "Counting Problem" });

  const lvb = {
    id: "x_0",
    video_path: "x.mp4",
    question: "Who?",
    candidates: ["he", "she"],
    correct_choice: 1,
    duration_group: 60,
    question_category: "E2O",
  };
  const [second] = await questions("longvideobench", file("lvb_val.json", [lvb]));
  expect(await shown(second)).toBe(`Question: [video x.mp4]\nWho?\nOptions: A. he\nB. she\n${letter}`);
  expect(second?.groups).toEqual({ duration: "60", category: "E2O" });

  const plot = {
    video: "m.mp4",
    duration: 500,
    question: "What?",
    candidates: ["tea", "milk"],
    answer: "milk",
    question_type: "plotQA",
  };
  const [third] = await questions("mlvu", file("1_plotQA.json", [plot]));
  expect(await shown(third)).toBe(`[video m.mp4]\nQuestion: What?\nOptions: A. tea\nB. milk\n${letter}`);
  expect(third?.groups).toEqual({ task: "plotQA" });
  expect(["videomme", "longvideobench", "mlvu"].map((name) => findFormat(name).frames)).toEqual([128, 64, 128]);
});

test("vqa: questions and annotations in two files", async () => {
  const answers = Array.from({ length: 10 }, (_, i) => ({ answer: i < 4 ? "2" : "three", answer_id: i + 1 }));
  const asked = file("q.json", {
    data_subtype: "val2014",
    questions: [{ question_id: 9, image_id: 42, question: "How many?" }],
  });
  const annotated = file("a.json", { annotations: [{ question_id: 9, answers }] });
  const [one] = await questions("vqa", annotated, asked);
  expect(await shown(one)).toBe(`[image COCO_val2014_000000000042.jpg]How many? ${single}`);
  expect(["Two.", "3", "four"].map((answer) => verdict(one, answer))).toEqual([1, 1, 0]);
  await expect(questions("vqa", asked)).rejects.toThrow("has no answers");
});

test("vqa: TextVQA and VizWiz", async () => {
  const textvqa = {
    data: [{ question_id: 1, image_id: "f00", question: "What brand?", answers: Array(10).fill("nokia") }],
  };
  const [first] = await questions("vqa", file("TextVQA_val.json", textvqa));
  expect(await shown(first)).toBe(`[image f00.jpg]What brand? ${single}`);
  expect(verdict(first, "Nokia")).toBe(1);
  const vizwiz = {
    image: "VizWiz_val_1.jpg",
    question: "What is this?",
    answers: Array(10).fill({ answer: "unanswerable" }),
    answerable: 0,
  };
  const [second] = await questions("vqa", file("val.json", [vizwiz]));
  expect(await shown(second)).toBe(
    `[image VizWiz_val_1.jpg]What is this? When the provided information is insufficient, respond with 'Unanswerable'. ${single}`,
  );
  expect(verdict(second, "Unanswerable. It is blurred.")).toBe(1);
  await expect(questions("vqa", file("test.json", [{ image: "a.jpg", question: "?" }]))).rejects.toThrow(
    "scored by a server",
  );
});

test("gqa: the published object of questions, and rows", async () => {
  const published = {
    "201": { imageId: "n1", question: "What color is it?", answer: "Red" },
    "202": { imageId: "n2", question: "Who?", answer: "man" },
  };
  const all = await questions("gqa", file("testdev.json", published));
  expect(all.map(({ id }) => id)).toEqual(["201", "202"]);
  expect(await shown(all[0])).toBe(`[image n1.jpg]What color is it? ${single}`);
  expect(["Red.", "red car"].map((answer) => verdict(all[0], answer))).toEqual([1, 0]);
  expect(verdict(all[1], "It is the man")).toBe(1);
});

test("nlvr2: Parquet with pictures in it", async () => {
  const all = await questions("nlvr2", join(fixtures, "eval/pairs.parquet"));
  const size = async (name: string): Promise<number> => (await readFile(join(root, "examples", name))).length;
  expect(await shown(all[0])).toBe(
    `Left image: [image of ${await size("before.png")} bytes] Right image: [image of ${await size("after.png")} bytes]\n` +
      "A red square is in the right picture.\nyes or no? Answer the question using a single word.",
  );
  expect(all.map(({ id, answer }) => [id, answer])).toEqual([
    ["dev-0", "yes"],
    ["dev-1", "no"],
    ["dev-2", "yes"],
  ]);
  await expect(all[2]?.prompt()).rejects.toThrow("has no picture");
});

test("ai2d, qbench2: letters", async () => {
  const diagram = { question: "What eats grass?", options: ["fox", "hare"], answer: "1", image: "d.png" };
  const [first] = await questions("ai2d", file("ai2d.jsonl", lines([diagram])));
  expect(await shown(first)).toBe(`[image d.png]\nQuestion: What eats grass?\nOptions:\nA. fox\nB. hare\n${letter}`);
  expect(["B", "A. hare"].map((answer) => verdict(first, answer))).toEqual([1, 0]);
  const pair = {
    image1: "a.png",
    image2: "b.png",
    question: "Which is sharper?",
    option0: "The first",
    option1: "The second",
    option2: "N/A",
    option3: "N/A",
    correct_choice: "B",
    question_type: 1,
    question_concern: 0,
  };
  const [second] = await questions("qbench2", file("qb.jsonl", lines([pair])));
  expect(await shown(second)).toBe(
    `Image 1: [image a.png]\nImage 2: [image b.png]\nQuestion: Which is sharper?\nOptions: A. The first\nB. The second\n${letter}`,
  );
  expect(second?.groups).toEqual({ type: "What", concern: "Distortion" });
  await expect(
    questions("qbench2", file("qbtest.jsonl", lines([{ ...pair, correct_choice: undefined }]))),
  ).rejects.toThrow("dev split");
});

test("mantis, blink: several pictures with names", async () => {
  const mantis = {
    id: "m1",
    question_type: "multi-choice",
    question: "<image> <image> Which is larger?",
    images: ["a.png", "b.png"],
    options: ["(A) first", "(B) second"],
    answer: "B",
  };
  const short = {
    ...mantis,
    id: "m2",
    question_type: "short-answer",
    question: "How many in <image> and <image>?",
    options: [],
    answer: "three dogs",
  };
  const [first, second] = await questions("mantis", file("mantis.jsonl", lines([mantis, short])));
  expect(await shown(first)).toBe(
    `Image 1: [image a.png]  Image 2: [image b.png]  Which is larger?\n(A) first\n(B) second\n${letter}`,
  );
  expect(["B", "(b)", "Answer: B", "A"].map((answer) => verdict(first, answer))).toEqual([1, 1, 1, 0]);
  expect(await shown(second)).toBe(`How many in Image 1: [image a.png]  and Image 2: [image b.png] ? ${single}`);
  expect(second?.candidates).toBeUndefined();
  expect(verdict(second, "Three dogs.")).toBe(1);

  const blink = {
    idx: "val_Jigsaw_1",
    sub_task: "Jigsaw",
    image_1: "a.png",
    image_2: "b.png",
    image_3: null,
    image_4: null,
    prompt: "Which fits?\n(A) one\n(B) two",
    choices: ["one", "two"],
    answer: "(A)",
  };
  const [third] = await questions("blink", file("blink.jsonl", lines([blink])));
  expect(await shown(third)).toBe(
    `the first image: [image a.png] the second image: [image b.png] Which fits?\n(A) one\n(B) two\n${letter}`,
  );
  expect(["(A)", "A", "B"].map((answer) => verdict(third, answer))).toEqual([1, 1, 0]);
  await expect(questions("blink", file("blinktest.jsonl", lines([{ ...blink, answer: "hidden" }])))).rejects.toThrow(
    "val split",
  );
});

test("interleave: LLaVA-Interleave-Bench's multiple choice, without its open questions", async () => {
  const row = (dataset: string, type: string, answer: string) => ({
    ...{ sample_id: `${dataset}1`, image: ["a.png", "b.png"], metadata: { dataset, question_type: type } },
    conversations: [
      { from: "human", value: "<image> <image> Same?" },
      { from: "gpt", value: answer },
    ],
  });
  const rows = [
    row("BLINK", "multi-choice", "(B)"),
    row("MathVerse", "multi-choice", "C"),
    row("IEdit", "open-ended", "make it red"),
  ];
  const all = await questions("interleave", file("out.json", rows));
  expect(all.map(({ id, answer }) => [id, answer])).toEqual([
    ["BLINK1", "b"],
    ["MathVerse1", "c"],
  ]);
  expect(await shown(all[0])).toBe(`the first image: [image a.png]  the second image: [image b.png]  Same?\n${letter}`);
  expect(await shown(all[1])).toBe("Image 1: [image a.png]  Image 2: [image b.png]  Same?");
  await expect(questions("interleave", file("open.json", [rows[2]]))).rejects.toThrow("ROUGE-L");
});

test("jsonl: options with letters, hidden candidates, several right answers", async () => {
  const all = await questions(
    "jsonl",
    file(
      "own.jsonl",
      lines([
        { id: "x", prompt: "Which?", images: ["a.png"], options: ["red", "blue"], answer: "blue", group: "colours" },
        {
          prompt: "First <|image|> then <|image|>?",
          images: ["a.png", "b.png"],
          candidates: ["Yes.", "No."],
          answer: "No.",
        },
        { prompt: "What happens?", videos: ["c.mp4"], answer: ["It falls", "it drops"] },
        { id: "x", prompt: "Again", answer: "y" },
      ]),
    ),
  );
  expect(all.map(({ id }) => id)).toEqual(["x", "own/2", "own/3", "x#2"]);
  expect(await shown(all[0])).toBe(`[image a.png]\nWhich?\nOptions:\nA. red\nB. blue\n${letter}`);
  expect(await shown(all[1])).toBe("First [image a.png] then [image b.png]?");
  expect(all[1]?.candidates).toEqual(["Yes.", "No."]);
  expect(await shown(all[2])).toBe("[video c.mp4]\nWhat happens?");
  expect(["It drops.", "it falls", "it flies"].map((answer) => verdict(all[2], answer))).toEqual([1, 1, 0]);
});

test("formats: what another model or a server grades is refused with that reason, and an unknown name lists the known ones", async () => {
  expect(() => findFormat("mmvet")).toThrow("graded by GPT-4");
  expect(() => findFormat("vqav2-test")).toThrow("on a server");
  expect(() => findFormat("nothing")).toThrow(formats.map(({ name }) => name).join(", "));
  const test = `index\tquestion\tA\tB\timage\n1\tWhat?\tx\ty\t${base64}\n`;
  await expect(questions("mmbench", file("test.tsv", test))).rejects.toThrow(
    "MMBench's test split is scored by its server",
  );
  await expect(
    questions("mlvu", file("9_summary.json", [{ video: "a.mp4", question: "Sum up.", answer: "..." }])),
  ).rejects.toThrow("GPT-4");
  await expect(questions("longvideobench", file("lvb_test.json", [{ id: "1", candidates: ["a"] }]))).rejects.toThrow(
    "no answer",
  );
});

for (const { name } of formats)
  test(`${name}: data of another shape are refused in a sentence that names the row`, async () => {
    const path = file(`wrong-${name}.jsonl`, lines([{ something: "else" }, { another: "row" }]));
    await expect(questions(name, path)).rejects.toThrow(
      /wrong-.*(row 1|has no answers|are open|has open questions|has no answer)/,
    );
  });
