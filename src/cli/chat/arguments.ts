import { stat } from "node:fs/promises";
import { FileError, UsageError } from "../../errors.js";
import { isPattern, matching, mediaSuffix } from "../../media/sequence.js";

export interface Arguments {
  media: string[];
  prompt: string | undefined;
}

/**
 * Splits the arguments into media and question. A name that exists is a file. One that looks like a path or a media file and does not exist is
 * an error. All else is the question: one quoted argument, or words without quotes. Beside a quoted question, and with --prompt, a word that
 * names nothing is an error, too.
 */
export async function splitArguments(args: readonly string[], prompt: string | undefined): Promise<Arguments> {
  const isMedium = new Map<string, boolean>();
  for (const arg of args) isMedium.set(arg, await namesMedia(arg));
  const words = args.filter((arg) => !isMedium.get(arg));
  const quoted = words.findLast((arg) => /\s/.test(arg));
  const loose = prompt !== undefined ? words : quoted !== undefined ? words.filter((arg) => arg !== quoted) : [];
  const lost = words.find(looksLikeFile) ?? loose[0];
  if (lost !== undefined) throw missing(lost, prompt !== undefined);
  const media = args.filter((arg) => isMedium.get(arg));
  const question = prompt ?? quoted ?? (words.length > 0 ? words.join(" ") : undefined);
  if (question?.trim() === "") throw new UsageError("the prompt is empty.");
  return { media, prompt: question };
}

/** Whether an argument is for expandMedia() and openSource(): it exists, matches files, is stdin, or is an address. */
async function namesMedia(arg: string): Promise<boolean> {
  if (arg === "-" || /^data:|^[a-z][a-z0-9+.-]*:\/\/\S*$/i.test(arg)) return true;
  if (arg === "") return false;
  if (await stat(arg).catch(() => null)) return true;
  return isPattern(arg) && (looksLikeFile(arg) || arg.includes("*")) && (await matching(arg)).length > 0;
}

/** Whether a text can only be meant as a path: by its start, its slashes, or a media file's suffix. */
export function looksLikeFile(arg: string): boolean {
  if (mediaSuffix.test(arg)) return true;
  return /\s/.test(arg) ? /^(~|\.{1,2})?\//.test(arg) : /[/\\]/.test(arg);
}

function missing(arg: string, prompted: boolean): FileError {
  const what = isPattern(arg) ? `no file matches ${arg}` : `there is no file ${arg}`;
  return new FileError(`${what}${prompted ? "." : '; if it belongs to the question, say so with -p "...".'}`);
}
