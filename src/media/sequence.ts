/** Expands folders and patterns of pictures, in natural order: 2.png comes before 10.png. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { FileError } from "../errors.js";
import { entriesOf, naturalOrder, unlessSkipped } from "./folder.js";
import { readHead } from "./head.js";
import { containerOf, sniffBytes } from "./video/container.js";

const readSuffixes = "jpe?g|jpe|jfif|png|gif|webp|avif|hei[cf]|tiff?|mp4|m4v|mov|webm|mkv|avi";

/** Suffixes of pictures and clips; what a file is, its first bytes tell. */
export const pictureOrClipSuffix = new RegExp(`\\.(${readSuffixes})$`, "i");

/** Suffixes of pictures and clips, and of what is often taken for them. */
export const mediaSuffix = new RegExp(`\\.(${readSuffixes}|bmp|ico|svg|jp2|jxl|ppm|pdf|mp3|m4a|wav)$`, "i");

export interface ExpandOptions {
  /** The kind of media that folders are looked through for; default: both. */
  only?: "image" | "video" | undefined;
  /** Whether subfolders are looked through, too; links to folders never are. */
  recursive?: boolean | undefined;
  /** Throws FileError for a file of a folder that can't be used, which is then left out. */
  check?: ((file: string) => Promise<void>) | undefined;
  /** Called with the error of a file that is left out, or of a subfolder that can't be read; without it such a subfolder is an error. */
  onSkip?: ((error: FileError) => void) | undefined;
  /** Called for a folder with subfolders that are left out. */
  onSubfolders?: ((folder: string, count: number) => void) | undefined;
}

/**
 * Replaces each folder among media arguments by the pictures and videos in it (without hidden files), and each pattern that is no file's name
 * (`*`, `?`, `[...]`; some shells don't expand them) by the files that it matches. Other arguments stay as they are.
 */
export async function expandMedia(args: readonly string[], options: ExpandOptions = {}): Promise<string[]> {
  const all: string[] = [];
  for (const arg of args) {
    const info = arg === "-" || arg.includes("://") ? null : await stat(arg).catch(() => null);
    if (info?.isDirectory()) all.push(...(await mediaOf(arg, options)));
    else if (info === null && isPattern(arg)) {
      const found = await matching(arg);
      if (found.length === 0) throw new FileError(`no file matches ${arg}.`);
      all.push(...found);
    } else all.push(arg);
  }
  return all;
}

/** Whether expandMedia() takes an argument for a pattern. */
export function isPattern(arg: string): boolean {
  return /[*?[]/.test(arg) && !/\s/.test(arg) && !arg.includes("://");
}

const wantedNames = { image: "pictures", video: "videos" };

/** The usable media of a folder. Throws FileError if there are none. */
async function mediaOf(folder: string, options: ExpandOptions): Promise<string[]> {
  const files: string[] = [];
  let skipped = 0;
  for (const file of await mediaIn(folder, options)) {
    try {
      await options.check?.(file);
      files.push(file);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      skipped++;
      options.onSkip?.(error);
    }
  }
  const wanted = options.only ? wantedNames[options.only] : "pictures or videos";
  if (files.length === 0) throw new FileError(`${folder} holds no ${wanted}${skipped > 0 ? " that can be read" : ""}.`);
  return files;
}

/** The files of a folder that are media, or look like some by their names, in natural order. */
async function mediaIn(folder: string, options: ExpandOptions): Promise<string[]> {
  const files: string[] = [];
  let subfolders = 0;
  for (const { file, isFolder } of await entriesOf(folder)) {
    if (isFolder && options.recursive)
      files.push(...(await mediaIn(file, options).catch(unlessSkipped(options.onSkip))));
    else if (isFolder) subfolders++;
    else if (await isMedium(file, options)) files.push(file);
  }
  if (subfolders > 0) options.onSubfolders?.(folder, subfolders);
  return files;
}

/** Whether a file is a picture or video, or one of the kind that is wanted; its first bytes tell. */
export async function isMedium(file: string, { only, check }: ExpandOptions = {}): Promise<boolean> {
  const head = await readHead(file).catch(() => null);
  if (head?.kind !== "file") return false;
  const container = containerOf(head.bytes) !== null;
  if (only === "video") return container;
  if (isPicture(head.bytes)) return true;
  // Whoever checks the files tells what is wrong with one that only looks like a picture.
  return only === "image" ? false : container || (check !== undefined && mediaSuffix.test(file));
}

/** The files that a pattern matches, in natural order. */
export async function matching(pattern: string): Promise<string[]> {
  const { root } = path.parse(pattern);
  let found = [root];
  const segments = pattern
    .slice(root.length)
    .split(path.sep === "\\" ? /[\\/]/ : "/")
    .filter(Boolean);
  for (const segment of segments) {
    const next: string[] = [];
    for (const base of found) {
      if (!isPattern(segment)) {
        next.push(path.join(base, segment));
        continue;
      }
      const names: Dirent[] = await readdir(base || ".", { withFileTypes: true }).catch(() => []);
      const test = matcher(segment);
      for (const { name } of names.sort((a, b) => naturalOrder(a.name, b.name)))
        if (test.test(name) && (!name.startsWith(".") || segment.startsWith("."))) next.push(path.join(base, name));
    }
    found = next;
  }
  const files: string[] = [];
  for (const file of found) if ((await stat(file).catch(() => null))?.isFile()) files.push(file);
  return files;
}

function matcher(segment: string): RegExp {
  const source = segment.replace(
    /\[(!?)([^\]]+)\]|[*?]|[.+^${}()|\\[\]]/g,
    (token, not: string | undefined, set: string | undefined) => {
      if (token === "*") return ".*";
      if (token === "?") return ".";
      if (set !== undefined) return `[${not ? "^" : ""}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
      return `\\${token}`;
    },
  );
  return new RegExp(`^${source}$`, "su");
}

/** Whether the first bytes are those of a JPEG, PNG, GIF, WebP, TIFF, AVIF or HEIC file. */
export function isPicture(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, sniffBytes)).toString("latin1");
  const brand = text.slice(4, 8) === "ftyp" ? text.slice(8, 12) : "";
  return (
    pictureStarts.some((start) => text.startsWith(start)) ||
    (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") ||
    /^(avi[fs]|hei[cxms]|hev[cx]|mif1|msf1)$/.test(brand)
  );
}

const pictureStarts = ["\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a", "II*\0", "MM\0*"];
