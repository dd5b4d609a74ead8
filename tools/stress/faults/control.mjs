// Builds the library that makes calls fail (faults.cpp) and steers it through the file that both map.
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

/** Kinds of calls; their sum chooses several. */
export const calls = { openToWrite: 1, write: 2, sync: 4, rename: 8, size: 16, openToRead: 32, allocation: 64 };

/** Linux's numbers of errors. */
export const errors = { EIO: 5, ENOMEM: 12, EACCES: 13, EMFILE: 24, ENOSPC: 28, EROFS: 30 };

/** Builds the library into a folder and returns its path. Throws an Error where there is no compiler. */
export function buildLibrary(folder) {
  const library = path.join(folder, "faults.so");
  const source = path.join(import.meta.dirname, "faults.cpp");
  const args = ["-std=c++20", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"];
  const { status, error } = spawnSync(process.env.CXX ?? "c++", args, { stdio: ["ignore", 2, "inherit"] });
  if (error || status !== 0) throw new Error("the library that makes calls fail could not be built");
  return library;
}

/** The file through which the library is told what fails. */
export class Control {
  #file;
  constructor(file) {
    if (!existsSync(file)) writeFileSync(file, Buffer.alloc(64)); // once: it is mapped
    this.#file = openSync(file, "r+");
  }

  /** Counts calls of these kinds from 0 on; the `at`-th fails with `error`, and those after it if `onwards`. */
  arm({ kinds, at = 0, error = 0, onwards = false }) {
    const values = [0, at, onwards ? 1 : 0, kinds, error, 0].map(BigInt);
    writeSync(this.#file, Buffer.from(BigInt64Array.from(values).buffer), 0, 48, 0);
  }

  /** The calls that were counted and the ones that failed. */
  read() {
    const values = new BigInt64Array(6);
    readSync(this.#file, Buffer.from(values.buffer), 0, 48, 0);
    return { count: Number(values[0]), failed: Number(values[5]) };
  }

  close() {
    closeSync(this.#file);
  }
}
