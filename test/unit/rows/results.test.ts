import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { headerFile, ResultsFile, type ResultsKind } from "../../../src/rows/results.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();

interface Line {
  id: string;
  text?: string;
  error?: string;
}
interface Header {
  run: 1;
  model: string;
}
const header: Header = { run: 1, model: "m" };
const line = (id: string): Line => ({ id, text: `about ${id}` });
const kindOf = (place: "first" | "beside"): ResultsKind<Line, Header> => ({
  what: "results file of a test",
  header: place,
  isHeader: (value) => (value as Partial<Header>).run === 1,
  difference: (before, now) => (before.model === now.model ? undefined : `another model (${before.model})`),
  read: ({ id, error }) => (typeof id === "string" ? { id, failed: error !== undefined } : undefined),
});
const text = (...values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");

describe.each(["first", "beside"] as const)("a results file with its header %s", (place) => {
  const kind = kindOf(place);
  const open = (path: string, options = {}) => ResultsFile.open(path, kind, header, options);
  const head = place === "first" ? [header] : [];
  const file = (name: string): string => join(folder, `${place}-${name}`);

  test("what was written is there again, with what it says of each row", async () => {
    const path = file("a.jsonl");
    const first = await open(path);
    first.add(line("1"));
    first.add({ id: "2", error: "there is no file." });
    await first.close();
    const seen: Line[] = [];
    const second = await open(path, { onLine: (one: Line) => seen.push(one) });
    expect(seen).toEqual([line("1"), { id: "2", error: "there is no file." }]);
    expect([second.size, second.state("1"), second.state("2"), second.state("3")]).toEqual([
      2,
      "done",
      "failed",
      undefined,
    ]);
    await second.close();
    expect(readFileSync(path, "utf8")).toBe(text(...head, ...seen));
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("lines of failed rows are removed when these are tried again", async () => {
    const path = file("retry.jsonl");
    const first = await open(path);
    for (const one of [line("1"), { id: "2", error: "no" }, line("3"), { id: "4", error: "no" }]) first.add(one);
    await first.close();
    const second = await open(path, { retry: true });
    expect([second.state("2"), second.state("4")]).toEqual([undefined, undefined]);
    second.add(line("2"));
    await second.close();
    expect(readFileSync(path, "utf8")).toBe(text(...head, line("1"), line("3"), line("2")));
    expect(existsSync(`${path}.partial`)).toBe(false);
  });

  test("a torn last line is cut off, wherever it was torn", async () => {
    const path = file("torn.jsonl");
    await (await open(path)).close();
    const whole = text(...head, line("1"));
    const last = Buffer.from(text(line("Größe")));
    for (let at = 0; at <= last.length; at++) {
      writeFileSync(path, whole);
      appendFileSync(path, last.subarray(0, at));
      const results = await open(path);
      expect(results.state("Größe")).toBe(at === last.length ? "done" : undefined);
      results.add(line("3"));
      await results.close();
      const kept = at === last.length ? [line("1"), line("Größe")] : [line("1")];
      expect(readFileSync(path, "utf8")).toBe(text(...head, ...kept, line("3")));
    }
    writeFileSync(path, text(header).slice(0, 7));
    await (await open(path)).close();
    expect(readFileSync(path, "utf8")).toBe(text(...head));
  });

  test("what another run began is refused and left as it is", async () => {
    const path = file("other.jsonl");
    const first = await open(path);
    first.add(line("1"));
    await first.close();
    const before = readFileSync(path, "utf8");
    await expect(ResultsFile.open(path, kind, { ...header, model: "n" })).rejects.toThrow(
      `${path} holds results with another model (m); remove it or name another one.`,
    );
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("a file that is something else is not written to", async () => {
    const path = file("notes.txt");
    for (const notes of ["my notes\n", "my notes"]) {
      writeFileSync(path, notes);
      await expect(open(path)).rejects.toThrow("name another one.");
      expect(readFileSync(path, "utf8")).toBe(notes);
    }
    await expect(open(join(folder, "absent/a.jsonl"))).rejects.toThrow(
      "absent/a.jsonl can't be written: no such file or folder.",
    );
    mkdirSync(file("folder"));
    await expect(open(file("folder"))).rejects.toThrow("can't be written: it is a folder.");
    await expect(open("/dev/null")).rejects.toThrow("/dev/null is not a regular file");
  });

  test("a damaged line is told with its number", async () => {
    const path = file("damaged.jsonl");
    await (await open(path)).close();
    for (const bad of ['{"id":3}', "x", "\0\0\0", '{"id":"a"', "[1]", "\xff"]) {
      writeFileSync(path, Buffer.from(`${text(...head, line("1"))}${bad}\n`, "latin1"));
      await expect(open(path)).rejects.toThrow(`${path}, line ${head.length + 2} is damaged.`);
    }
  });

  test("one process at a time", async () => {
    const path = file("busy.jsonl");
    const first = await open(path);
    await expect(open(path)).rejects.toThrow(`another owl3 (process ${process.pid}) is writing ${path}.`);
    await first.close();
    await (await open(path)).close();
  });
});

test("results: with the header beside, a file whose header is gone is refused, and an empty file begins anew", async () => {
  const path = join(folder, "moved.jsonl");
  const kind = kindOf("beside");
  const first = await ResultsFile.open(path, kind, header);
  first.add(line("1"));
  await first.close();
  expect(readFileSync(headerFile(path), "utf8")).toBe(text(header));
  writeFileSync(headerFile(path), "torn");
  await expect(ResultsFile.open(path, kind, header)).rejects.toThrow(`there is no ${path}.run.json to say which run`);
  writeFileSync(path, "");
  await (await ResultsFile.open(path, kind, { ...header, model: "other" })).close();
  expect(readFileSync(headerFile(path), "utf8")).toBe(text({ ...header, model: "other" }));
});
