import { Owl } from "../../chat/owl.js";
import { checkCandidates } from "../../chat/score.js";
import { UsageError } from "../../errors.js";
import { restrictLoaders } from "../../media/image.js";
import { expandMedia } from "../../media/sequence.js";
import { resolveModel } from "../../models/resolve.js";
import { questionAbout } from "../../prompt/choice.js";
import type { InputImage, InputVideo } from "../../prompt/messages.js";
import { placeMedia } from "../../prompt/placement.js";
import { owlOptions } from "../chat/flags.js";
import { readText, splitArguments } from "../chat/input.js";
import { mediaPart } from "../chat/media.js";
import { ProgressView } from "../chat/view.js";
import { createOutput } from "../output.js";
import { type ScoreFlags, scoreOptions } from "./flags.js";
import { scoreTask, type Task } from "./task.js";
import { printAnswer, printScores, scoresJson } from "./view.js";

/** Scores given answers to one question. */
export async function runScore(args: string[], flags: ScoreFlags): Promise<void> {
  const out = createOutput(flags);
  checkCombination(args, flags);
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  restrictLoaders();
  const candidates = await candidatesOf(flags);
  if (candidates) checkCandidates(candidates);
  const { media, prompt } = await questionOf(args, flags);
  const opened: (InputImage | InputVideo)[] = [];
  for (const name of await expandMedia(media)) opened.push(await mediaPart(name));
  const content = placeMedia(prompt, opened, { interleave: flags.interleave ?? false });
  const view = new ProgressView(out);
  try {
    await using owl = await Owl.open(model, { ...owlOptions(flags), onProgress: view.on });
    const options = { ...scoreOptions(flags), onProgress: view.on };
    const task: Task = { messages: [{ role: "user", content }], candidates, options };
    const scored = await scoreTask(owl, task);
    view.stop();
    if (flags.json) out.json({ model: owl.path, backend: owl.backend, ...scoresJson(scored) });
    else if (flags.quiet) printAnswer(out, scored.outcome);
    else printScores(out, scored.outcome);
  } finally {
    view.stop();
  }
}

function checkCombination(args: readonly string[], flags: ScoreFlags): void {
  const { candidate, candidates, letters, whole, yesNo, shows, question, prompt } = flags;
  const given = candidate !== undefined || candidates !== undefined;
  if (shows !== undefined && yesNo)
    throw new UsageError("--shows asks a question of yes or no itself; leave out --yes-no.");
  const asksYesNo = yesNo || shows !== undefined;
  if (asksYesNo && (given || letters || whole))
    throw new UsageError(
      `${yesNo ? "--yes-no" : "--shows"} scores yes and no; leave out candidates, --letters and --whole.`,
    );
  if (!asksYesNo && !given)
    throw new UsageError(
      "there is nothing to score: give answers with -c or --candidates, or use --yes-no or --shows.",
    );
  if (shows !== undefined && prompt !== undefined)
    throw new UsageError("--shows asks its own question; leave out the prompt, or use --yes-no with it.");
  if (question !== undefined && shows === undefined)
    throw new UsageError("--question is the question that --shows asks; give the prompt with -p.");
  if (prompt?.trim() === "") throw new UsageError("the prompt is empty.");
  if (args.filter((name) => name === "-").length + (candidates === "-" ? 1 : 0) > 1)
    throw new UsageError("only one thing can be read from stdin (-).");
}

/** The given candidates, those of the file last; undefined: yes and no. */
async function candidatesOf({ candidate = [], candidates, yesNo, shows }: ScoreFlags): Promise<string[] | undefined> {
  if (yesNo || shows !== undefined) return undefined;
  if (candidates === undefined) return candidate;
  const lines = (await readText(candidates, "the list of candidates"))
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  if (lines.length === 0 && candidate.length === 0)
    throw new UsageError(`${candidates === "-" ? "stdin" : candidates} has no candidates; it needs one a line.`);
  return [...candidate, ...lines];
}

async function questionOf(args: string[], flags: ScoreFlags): Promise<{ media: string[]; prompt: string }> {
  if (flags.shows !== undefined) return { media: args, prompt: questionAbout(flags.shows, flags.question) };
  const { media, prompt } = await splitArguments(args, flags.prompt);
  if (prompt === undefined)
    throw new UsageError('there is no question: give one with -p "...", or as the last argument.');
  return { media, prompt };
}
