import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { explain } from "../../../src/cli/main.js";
import { FileError, MemoryError, ModelFileError, NativeError, UsageError } from "../../../src/errors.js";

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

test("exit codes: an error of the system names the file in words", async () => {
  const error = await readFile("/no/such/file").catch((e: unknown) => e);
  expect(explain(error)).toEqual({ message: "/no/such/file: no such file or folder", exitCode: 3 });
});

test("exit codes: an unknown error asks for a report, an abort says nothing", () => {
  expect(explain(new TypeError("x is not a function")).message).toMatch(/report/);
  expect(explain(new TypeError("x")).exitCode).toBe(1);
  expect(explain(new DOMException("stop", "AbortError"))).toEqual({ message: "", exitCode: 130 });
});
