/** Expands folders and patterns of pictures, in natural order: 2.png comes before 10.png. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";
import { readHead } from "./head.js";
import { sniffBytes } from "./video/container.js";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Compares names in natural order: numbers by value, letters without case, ties by code units. */
export function naturalOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * Replaces each folder among media arguments by the pictures in it (without subfolders and hidden files), and each pattern that is no file's
 * name (`*`, `?`, `[...]`; some shells don't expand them) by the files that it matches. Other arguments stay as they are.
 */
export async function expandMedia(args: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const arg of args) {
    const info = arg === "-" || arg.includes("://") ? null : await stat(arg).catch(() => null);
    if (info?.isDirectory()) all.push(...(await picturesIn(arg)));
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

async function picturesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${folder} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  const files: string[] = [];
  for (const name of names.filter((entry) => !entry.startsWith(".")).sort(naturalOrder)) {
    const file = path.join(folder, name);
    const head = await readHead(file).catch(() => null);
    if (head && isPicture(head.bytes)) files.push(file);
  }
  if (files.length === 0) throw new FileError(`${folder} holds no pictures.`);
  return files;
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
