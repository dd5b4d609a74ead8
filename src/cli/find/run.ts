import { access } from "node:fs/promises";
import { filesOf } from "../../batch/files.js";
import { Owl } from "../../chat/owl.js";
import { UsageError, UserError } from "../../errors.js";
import { defaultThreshold } from "../../find/spans.js";
import { restrictLoaders } from "../../media/image.js";
import { resolveModel } from "../../models/resolve.js";
import { questionAbout } from "../../prompt/choice.js";
import { runRows } from "../../rows/loop.js";
import { owlOptions } from "../chat/flags.js";
import { ProgressView } from "../chat/view.js";
import { takeInterrupt } from "../interrupt.js";
import { createOutput, type Output, tellSkipped } from "../output.js";
import { RowWatch } from "../row-watch.js";
import type { FindFlags } from "./flags.js";
import { type Looked, look, type Search } from "./look.js";
import { chooseFound, nothingFound, printFound } from "./view.js";

/** Pictures and clips that are looked at at the same time. */
const together = 2;

/** Finds the pictures that show something, and the times of clips at which they do. */
export async function runFind(args: string[], flags: FindFlags): Promise<void> {
  const out = createOutput(flags);
  const { names, text } = await split(args);
  const question = questionAbout(text, flags.question);
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  restrictLoaders();
  const media: string[] = [];
  for (const name of names) media.push(...(await filesOf(name, tellSkipped(out))));
  const looked: Looked[] = [];
  const print = (owl: Owl): void => {
    const { threshold, top } = flags;
    const found = chooseFound(looked, { threshold, top });
    if (flags.json) {
      out.json({ model: owl.path, backend: owl.backend, text, question, found, looked });
      return;
    }
    printFound(out, found, { quiet: flags.quiet ?? false, only: media.length === 1 });
    if (found.length === 0) out.note(nothingFound(looked, threshold ?? defaultThreshold));
  };
  const view = new ProgressView(out);
  try {
    await using owl = await Owl.open(model, { ...owlOptions(flags), onProgress: view.on });
    const search = { owl, text, flags };
    if (media.length === 1)
      await lookAtOne(media[0] as string, { ...search, onProgress: view.on }, looked, () => {
        view.stop();
        print(owl);
      });
    else {
      view.stop();
      await lookAtMany(media, search, looked, out, () => print(owl));
    }
  } finally {
    view.stop();
  }
}

/** Splits the arguments into media and what to find in them. */
async function split(args: readonly string[]): Promise<{ names: string[]; text: string }> {
  const text = args.at(-1);
  const names = args.slice(0, -1);
  const usage = 'give pictures or clips and what to find in them: owl3 find clip.mp4 "a red circle"';
  if (text === undefined || names.length === 0) throw new UsageError(usage);
  const isFile = await access(text).then(
    () => true,
    () => false,
  );
  if (isFile) throw new UsageError(`the last argument says what to find, and ${text} is a file; ${usage}`);
  if (names.filter((name) => name === "-").length > 1)
    throw new UsageError("only one thing can be read from stdin (-).");
  return { names, text };
}

/** Looks at one medium. After an error or Ctrl-C it tells what was found up to there. */
async function lookAtOne(name: string, search: Search, looked: Looked[], print: () => void): Promise<void> {
  const stop = new AbortController();
  const giveBack = takeInterrupt(() => {
    // The next Ctrl-C is not taken, and ends the process.
    giveBack();
    stop.abort();
  });
  try {
    await look(name, { ...search, signal: stop.signal }, (one) => looked.push(one));
  } catch (error) {
    if (looked.some((one) => one.kind === "clip" && one.windows.length > 0)) print();
    throw error;
  } finally {
    giveBack();
  }
  print();
}

/** Looks at several media; those that fail are told and left out. */
async function lookAtMany(
  names: readonly string[],
  search: Search,
  looked: Looked[],
  out: Output,
  print: () => void,
): Promise<void> {
  const watch = new RowWatch(out, { total: names.length, later: "The search was stopped before its end." });
  watch.progress.begin();
  const work = async (name: string, place: () => Promise<void>): Promise<string | undefined> => {
    await place();
    try {
      await look(name, search, (one) => looked.push(one));
      return undefined;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
  };
  try {
    const emit = (error: string | undefined, name: string): void => watch.row(name, error);
    await runRows(names, work, emit, { concurrency: together, signal: watch.signal });
  } finally {
    watch.stop();
  }
  print();
  watch.conclude();
}
