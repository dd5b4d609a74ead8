/** Finds the pictures and clips that arguments name. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { FileError } from "../errors.js";
import { below } from "../media/folder.js";
import { expandMedia, isMedium, isPattern, pictureOrClipSuffix } from "../media/sequence.js";

/**
 * The files of an argument, in natural order: all pictures and clips in a folder and its subfolders, those that match a pattern (`**` stands for any
 * folders), or the file itself. Hidden files and folders are left out, and a subfolder that can't be read goes to `onSkip`. Throws FileError if a
 * folder or pattern has none.
 */
export async function filesOf(arg: string, onSkip: (error: FileError) => void): Promise<string[]> {
  const info = await stat(arg).catch(() => undefined);
  if (!info && isPattern(arg)) return matching(arg, onSkip);
  if (!info?.isDirectory()) return [arg];
  const all: string[] = [];
  for await (const { file, isFolder } of below(arg, onSkip)) if (!isFolder) all.push(file);
  const files = await media(all);
  if (files.length === 0) throw new FileError(`${arg} holds no pictures or clips.`);
  return files;
}

async function matching(pattern: string, onSkip: (error: FileError) => void): Promise<string[]> {
  const segments = pattern.split("/");
  const at = segments.indexOf("**");
  if (at < 0) return media(await expandMedia([pattern]));
  const root = segments.slice(0, at).join("/") || (pattern.startsWith("/") ? "/" : ".");
  const rest = segments.slice(at + 1).join("/") || "*";
  const files = new Set<string>();
  const addFrom = async (folder: string): Promise<void> => {
    for (const file of await expandMedia([path.join(folder, rest)]).catch(() => [])) files.add(file);
  };
  await addFrom(root);
  for await (const { file, isFolder } of below(root, onSkip)) if (isFolder) await addFrom(file);
  const found = await media([...files]);
  if (found.length === 0) throw new FileError(`No picture or clip matches ${pattern}.`);
  return found;
}

/**
 * Those that are pictures or clips by their first bytes, or by their name: a file with such a name is a row even if it is damaged or empty, so that it is
 * told and not passed over.
 */
async function media(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) if (pictureOrClipSuffix.test(file) || (await isMedium(file))) found.push(file);
  return found;
}
