import { scoresJson } from "../../batch/score.js";
import { Owl } from "../../chat/owl.js";
import { checkCandidates } from "../../chat/score.js";
import { UsageError } from "../../errors.js";
import { restrictLoaders } from "../../media/image.js";
import { expandMedia } from "../../media/sequence.js";
import { resolveModel } from "../../models/resolve.js";
import { questionAbout } from "../../prompt/choice.js";
import type { InputImage, InputPart, InputVideo } from "../../prompt/messages.js";
import { placeMedia } from "../../prompt/placement.js";
import { splitArguments } from "../chat/arguments.js";
import { owlOptions } from "../chat/flags.js";
import { readText } from "../chat/input.js";
import { mediaPart, tellUnusedVideoOptions } from "../chat/media.js";
import { ProgressView } from "../chat/view.js";
import { createOutput, type Output } from "../output.js";
import { checkFlags, isEach } from "./check.js";
import { type ScoreFlags, scoreOptions } from "./flags.js";
import { printAnswer, printScores } from "./view.js";

/** Scores given answers to one question, or to one about each row of the inputs. */
export async function runScore(args: string[], flags: ScoreFlags): Promise<void> {
  const out = createOutput(flags);
  checkFlags(args, flags);
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  restrictLoaders();
  const candidates = await candidatesOf(flags);
  const each = isEach(args, flags);
  if (candidates && (candidates.length > 0 || !each)) checkCandidates(candidates);
  const { media, prompt } = await questionOf(args, flags);
  if (each) {
    const { scoreRows } = await import("./rows.js");
    return scoreRows(media, { model, prompt, candidates }, flags, out);
  }
  if (prompt === undefined)
    throw new UsageError('there is no question: give one with -p "...", or as the last argument.');
  const opened: (InputImage | InputVideo)[] = [];
  for (const name of await expandMedia(media)) opened.push(await mediaPart(name));
  tellUnusedVideoOptions(opened, flags, out);
  const content = placeMedia(prompt, opened, { interleave: flags.interleave ?? false });
  await scoreOne(model, content, candidates, flags, out);
}

async function scoreOne(
  model: string,
  content: InputPart[],
  candidates: readonly string[] | undefined,
  flags: ScoreFlags,
  out: Output,
): Promise<void> {
  const view = new ProgressView(out);
  try {
    await using owl = await Owl.open(model, { ...owlOptions(flags), onProgress: view.on });
    const options = { ...scoreOptions(flags), onProgress: view.on };
    const messages = [{ role: "user" as const, content }];
    const scores = await (candidates ? owl.score(messages, candidates, options) : owl.yesNo(messages, options));
    view.stop();
    if (flags.json)
      out.json({ model: owl.path, backend: owl.backend, ...scoresJson(scores, true), media: scores.media });
    else if (flags.quiet) printAnswer(out, scores);
    else printScores(out, scores);
  } finally {
    view.stop();
  }
}

/** The given candidates, those of the file last; undefined: yes and no. */
async function candidatesOf({ candidate = [], candidates, yesNo, shows }: ScoreFlags): Promise<string[] | undefined> {
  if (yesNo || shows !== undefined) return undefined;
  if (candidates === undefined) return candidate;
  const text = await readText(candidates, "the list of candidates");
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0)
    throw new UsageError(`${candidates === "-" ? "stdin" : candidates} has no candidates; it needs one a line.`);
  return [...candidate, ...lines];
}

async function questionOf(args: string[], flags: ScoreFlags): Promise<{ media: string[]; prompt: string | undefined }> {
  if (flags.shows !== undefined) return { media: args, prompt: questionAbout(flags.shows, flags.question) };
  return splitArguments(args, flags.prompt);
}
