import { UsageError } from "../../errors.js";
import type { Data, Format, Question } from "../question.js";
import { ai2d } from "./ai2d.js";
import { blink } from "./blink.js";
import { gqa } from "./gqa.js";
import { interleave } from "./interleave.js";
import { jsonl } from "./jsonl.js";
import { longvideobench } from "./longvideobench.js";
import { mantis } from "./mantis.js";
import { mlvu } from "./mlvu.js";
import { mmbench } from "./mmbench.js";
import { mvbench } from "./mvbench.js";
import { nextqa } from "./nextqa.js";
import { nlvr2 } from "./nlvr2.js";
import { pope } from "./pope.js";
import { qbench2 } from "./qbench2.js";
import { videomme } from "./videomme.js";
import { vqa } from "./vqa.js";

/** The benchmarks that can be scored here, pictures first. */
export const formats: readonly Format[] = [
  ...[vqa, gqa, pope, mmbench, ai2d, nlvr2, qbench2, mantis, blink, interleave],
  ...[nextqa, mvbench, videomme, longvideobench, mlvu, jsonl],
];

/** Benchmarks that can't be scored here, and why. */
const refused: Record<string, string> = {
  mmvet: "MM-Vet is graded by GPT-4, which owl3 does not ask",
  "llava-bench": "LLaVA-Bench is graded by GPT-4, which owl3 does not ask",
  "vqav2-test":
    "the answers of VQAv2's test-dev are on a server, which owl3 does not ask; take val with the format vqa",
  "vizwiz-test":
    "the answers of VizWiz's test split are on a server, which owl3 does not ask; take val with the format vqa",
  "mmbench-test":
    "the answers of MMBench's test split are on a server, which owl3 does not ask; take dev with the format mmbench",
};

/** Finds a format by its name. Throws UsageError. */
export function findFormat(name: string): Format {
  const found = formats.find((format) => format.name === name);
  if (found) return found;
  const why = refused[name];
  if (why) throw new UsageError(`${why}.`);
  throw new UsageError(
    `there is no format ${name.slice(0, 40)}; there are ${formats.map((format) => format.name).join(", ")}.`,
  );
}

/** The questions of data, each with an id of its own. */
export async function readQuestions(format: Format, data: readonly Data[]): Promise<Question[]> {
  const seen = new Map<string, number>();
  return (await format.questions(data)).map((question) => {
    const times = (seen.get(question.id) ?? 0) + 1;
    seen.set(question.id, times);
    return times === 1 ? question : { ...question, id: `${question.id}#${times}` };
  });
}
