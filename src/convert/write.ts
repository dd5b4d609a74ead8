import { realpath, stat } from "node:fs/promises";
import { checkShape, kinds, type Shape, shown } from "../check.js";
import { ExitCode, FileError, UsageError, UserError } from "../errors.js";
import { fileTypeNames } from "../gguf/file-types.js";
import type { GgufEntry, TensorPlan } from "../native/gguf.js";
import { native, nativeCall, nativeSync } from "../native/native.js";

export interface WriteOptions {
  /** 0 or absent: one thread for each core. */
  threads?: number;
  signal?: AbortSignal;
  /** Called a few times a second, and at the end. */
  onProgress?: (progress: WriteProgress) => void;
}

export const writeShape: Shape<WriteOptions> = {
  threads: kinds.number,
  signal: kinds.signal,
  onProgress: kinds.callback,
};

export interface WriteProgress {
  bytesDone: number;
  bytesTotal: number;
  tensorsDone: number;
  tensorsTotal: number;
}

/** Checks what the caller of a conversion gave; `where` names the function. Throws UsageError. */
export function checkWrite(
  paths: readonly unknown[],
  options: unknown,
  shape: Shape<WriteOptions>,
  where: string,
): void {
  const wrong = paths.find((path) => typeof path !== "string" || path === "");
  if (paths.some((path) => path === wrong))
    throw new UsageError(`${where}: a path must be a string, not ${shown(wrong)}.`);
  checkShape(options ?? {}, { ...shape }, `the options of ${where}`);
  const { type } = (options ?? {}) as { type?: unknown };
  if (type === undefined)
    throw new UsageError(`the options of ${where}: type must be given, one of ${fileTypeNames.join(", ")}.`);
}

/** Writes a GGUF file and returns its size in bytes. Unless it succeeds, nothing is left at `path` or beside it. */
export async function writeGguf(
  path: string,
  entries: GgufEntry[],
  tensors: TensorPlan[],
  options: WriteOptions = {},
): Promise<number> {
  const { signal } = options;
  const output = await outputPath(path, new Set(tensors.map((tensor) => tensor.source.path)));
  if (signal?.aborted) throw interrupted();
  const writer = nativeSync(() => native().createWriter(output, entries, tensors, options.threads ?? 0));
  const abort = () => writer.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const progress = { bytesDone: 0, bytesTotal: writer.fileBytes, tensorsDone: 0, tensorsTotal: tensors.length };
  const report = () => {
    progress.bytesDone = writer.bytesDone();
    options.onProgress?.({ ...progress });
  };
  const timer = setInterval(report, 200);
  try {
    for (; progress.tensorsDone < tensors.length; progress.tensorsDone++) {
      if (signal?.aborted) throw interrupted();
      await nativeCall(() => writer.writeNext());
    }
    report();
    if (signal?.aborted) throw interrupted();
    await nativeCall(() => writer.finish());
    return progress.bytesTotal;
  } catch (error) {
    writer.abort();
    throw signal?.aborted ? interrupted() : error;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function interrupted(): UserError {
  return new UserError("interrupted; no file was written.", ExitCode.interrupted);
}

/** The file to write: the target of a symbolic link, and never an input. */
async function outputPath(path: string, inputs: Set<string>): Promise<string> {
  const output = await realpath(path).catch(() => path);
  const there = await stat(output).catch(() => undefined);
  if (!there) return output;
  if (!there.isFile()) throw new FileError(`${path} exists and is not a file.`);
  for (const input of inputs) {
    const info = await stat(input);
    if (info.ino === there.ino && info.dev === there.dev)
      throw new FileError(`${path} is the input itself; choose another name for the output.`);
  }
  return output;
}
