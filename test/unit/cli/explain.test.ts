import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { explain } from "../../../src/cli/explain.js";
import {
  ContextError,
  FileError,
  FolderError,
  MemoryError,
  ModelFileError,
  NativeError,
  NoFfmpegError,
  NoModelError,
  SeveralFilesError,
  UsageError,
} from "../../../src/errors.js";

test("exit codes: each kind of error has its documented code and keeps its sentence", () => {
  const table = [
    [new UsageError("a"), 2],
    [new FileError("a"), 3],
    [new ModelFileError("a"), 4],
    [new MemoryError("a"), 5],
    [new NativeError("bad_model", "a"), 4],
    [new NativeError("out_of_memory", "a"), 5],
    [new NativeError("unreadable", "a"), 3],
    [new NativeError("internal", "a"), 1],
    [Object.assign(new Error("a"), { code: "bad_model" }), 4],
  ] as const;
  for (const [error, exitCode] of table) expect(explain(error)).toEqual({ message: "a", exitCode });
});

test("what to do is said in the words of the command line", () => {
  const message = (error: Error): string => explain(error).message;
  expect(message(new ContextError(100, 64, true))).toBe(
    "the prompt has 100 tokens and the context holds 64: give a larger --ctx, or ask about less.",
  );
  expect(message(new ContextError(40_000, 32_768, false))).not.toContain("--ctx");
  expect(message(new MemoryError("a.", { of: "answer", needed: 2, available: 1 }))).toMatch(/^a: .*--no-cut/);
  expect(message(new MemoryError("a.", { of: "model", needed: 2, available: 1 }))).toBe("a: choose a smaller model.");
  expect(message(new FolderError("owl"))).toContain("owl3 convert owl -o FILE.gguf");
  expect(message(new NoModelError())).toContain("--model FILE");
  expect(message(new SeveralFilesError("a/b", ["1.gguf", "2.gguf"]))).toMatch(/1\.gguf, 2\.gguf.*--file/);
  expect(message(new NoFfmpegError())).toContain("--decoder builtin");
});

test("exit codes: an error of the system names the file in words", async () => {
  const error = await readFile("/no/such/file").catch((e: unknown) => e);
  expect(explain(error)).toEqual({ message: "/no/such/file: no such file or folder", exitCode: 3 });
});

test("exit codes: an unknown error asks for a report, an abort says nothing", () => {
  expect(explain(new TypeError("x is not a function")).message).toMatch(/report/);
  expect(explain(new TypeError("x")).exitCode).toBe(1);
  expect(explain(new DOMException("stop", "AbortError"))).toEqual({ message: "", exitCode: 130 });
});
