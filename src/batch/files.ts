/** Finds the pictures and clips that arguments name. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { FileError } from "../errors.js";
import { readHead } from "../media/head.js";
import { expandMedia, isPattern, isPicture, naturalOrder } from "../media/sequence.js";
import { containerOf } from "../media/video/container.js";

/**
 * The files of an argument, in natural order: all pictures and clips in a folder and its subfolders, those that match a pattern (`**` stands for any
 * folders), or the file itself. Hidden files and folders are left out. Throws FileError if a folder or pattern has none.
 */
export async function filesOf(arg: string): Promise<string[]> {
  const info = await stat(arg).catch(() => undefined);
  if (!info && isPattern(arg)) return matching(arg);
  if (!info?.isDirectory()) return [arg];
  const all: string[] = [];
  for await (const { full, folder } of below(arg)) if (!folder) all.push(full);
  const files = await media(all);
  if (files.length === 0) throw new FileError(`${arg} holds no pictures or clips.`);
  return files;
}

async function matching(pattern: string): Promise<string[]> {
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
  for await (const { full, folder } of below(root)) if (folder) await addFrom(full);
  const found = await media([...files]);
  if (found.length === 0) throw new FileError(`No picture or clip matches ${pattern}.`);
  return found;
}

/** All files and folders below a folder; a folder comes before what is in it. */
async function* below(top: string): AsyncGenerator<{ full: string; folder: boolean }> {
  for (const entry of await entries(top)) {
    const full = path.join(top, entry.name);
    const folder = entry.isDirectory();
    yield { full, folder };
    if (folder) yield* below(full);
  }
}

/** Links to folders are not followed, since they may lead in a circle. */
async function entries(folder: string) {
  const all = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${folder} can't be read: ${error.code ?? error.message}.`, { cause: error });
  });
  return all.filter(({ name }) => !name.startsWith(".")).sort((a, b) => naturalOrder(a.name, b.name));
}

/** Those that are pictures or clips by their first bytes, or claim to be by their name. */
async function media(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) if (claims.test(file) || (await isMedium(file))) found.push(file);
  return found;
}

/** A file with such a name is a row even if it is damaged or empty, so that it is told and not passed over. */
const claims = /\.(jpe?g|png|gif|webp|avif|tiff?|heic|mp4|m4v|mov|webm|mkv|avi)$/i;

async function isMedium(file: string): Promise<boolean> {
  if (!(await stat(file).catch(() => undefined))?.isFile()) return false;
  const head = await readHead(file).catch(() => undefined);
  return head !== undefined && (isPicture(head.bytes) || containerOf(head.bytes) !== null);
}
