/** The interface of a hub: all that a pull asks of it. */
import type { Client } from "./client.js";

/** The sha256 of a file's content, or its git blob hash. */
export interface FileHash {
  kind: "sha256" | "git";
  hex: string;
}

/** A file of a repository. */
export interface HubFile {
  path: string;
  size: number;
  hash: FileHash;
}

/** A file as a hub lists it, which may tell no hash of some. */
export type ListedFile = Omit<HubFile, "hash"> & { hash: FileHash | undefined };

/** The state of a repository at a revision. */
export interface Snapshot {
  /** The commit of the revision; absent on a hub that tells none, where hashes alone pin the files. */
  commit?: string;
  files: ListedFile[];
}

export interface Hub {
  readonly client: Client;
  /** The revision of a pull that names none. */
  readonly defaultRevision: string;
  /** Lists the files of a repository at a revision (branch, tag or commit). Throws UserError. */
  snapshot(repo: string, revision: string, signal?: AbortSignal): Promise<Snapshot>;
  /** The address of a file at a revision or commit. */
  fileUrl(repo: string, revision: string, file: string): URL;
  /** The address of the page that people read. */
  pageUrl(repo: string): string;
}

const maxFiles = 10_000;

/** Checks path and size of an entry of a listing; undefined if they can't be. */
export function listedFile(path: unknown, size: unknown, hash: FileHash | undefined): ListedFile | undefined {
  if (typeof path !== "string" || !path || path.length > 1000) return undefined;
  return Number.isSafeInteger(size) && (size as number) >= 0 ? { path, size: size as number, hash } : undefined;
}

/** Whether a listing has a size that can be, and each path once. */
export function isPlausible(files: readonly ListedFile[]): boolean {
  return files.length <= maxFiles && new Set(files.map(({ path }) => path)).size === files.length;
}
