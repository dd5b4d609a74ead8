import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { eager, Inputs } from "../../../src/batch/inputs.js";
import { parseMap, type RawRow, readEither, readFileRows, readNames, readObjects } from "../../../src/batch/raw.js";
import { temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();

/** Bytes in pieces of three, so that lines and characters are cut anywhere. */
async function* pieces(text: string | Buffer) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
}
async function all(rows: AsyncIterable<RawRow>) {
  const found = [];
  for await (const { value, bad } of rows) found.push(bad === undefined ? value : { bad });
  return found;
}
const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe("names", () => {
  test("a line each, also from Windows; empty ones are left out", async () => {
    expect(await all(readNames(pieces("a.jpg\r\n\n größe.png\n-0 b\n{x}.jpg"), false))).toEqual([
      "a.jpg",
      " größe.png",
      "-0 b",
      "{x}.jpg",
    ]);
  });

  test("with NUL characters, a name may hold a line break", async () => {
    expect(await all(readNames(pieces("a\nb.jpg\0c\r\0\0d"), true))).toEqual(["a\nb.jpg", "c\r", "d"]);
  });

  test("one that is not UTF-8, and one without an end", async () => {
    expect(await all(readNames(pieces(Buffer.from("caf\xe9.jpg\nb", "latin1")), false))).toEqual([
      { bad: "The file's name is not UTF-8 text." },
      "b",
    ]);
    expect(await all(readNames(pieces("x".repeat(70_000)), false))).toEqual([
      { bad: "A name is longer than 65536 bytes." },
    ]);
  });
});

describe("JSON lines", () => {
  test("hostile lines become bad rows, and the others stay", async () => {
    const bad = { bad: "A line is not a JSON object." };
    const lines = [
      '{"id":"a"}',
      "",
      "null",
      "[1]",
      '"x"',
      '{"id":',
      '{"a":1}{"b":2}',
      '{"__proto__":{"id":"x"}}',
      " {} ",
    ];
    expect(await all(readObjects(pieces(lines.join("\n")), ""))).toEqual([
      { id: "a" },
      ...[bad, bad, bad, bad, bad],
      JSON.parse('{"__proto__":{"id":"x"}}'),
      {},
    ]);
    expect(await all(readObjects(pieces(Buffer.from('{"a":"\xff"}\n{"a":1}\n', "latin1")), ""))).toEqual([
      bad,
      { a: 1 },
    ]);
  });

  test("one that is nested without end is bad, and a byte order mark is none of it", async () => {
    const deep = `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    expect(
      await all(readObjects(pieces(`\ufeff{"a":1}\n${deep}\n{"a":${"[".repeat(90)}${"]".repeat(90)}}`), "")),
    ).toEqual([{ a: 1 }, { bad: "A line is nested more than 100 deep." }, { a: expect.any(Array) }]);
  });

  test("stdin: the first line that is not empty tells objects from names", async () => {
    expect(await all(readEither(pieces('\n  {"id":1}\nname.jpg\n')))).toEqual([
      { id: 1 },
      { bad: "A line is not a JSON object." },
    ]);
    expect(await all(readEither(pieces('name.jpg\n{"id":1}\n')))).toEqual(["name.jpg", '{"id":1}']);
  });

  test("a row comes before the next one is written", async () => {
    let more = (): void => {};
    async function* slowly() {
      yield Buffer.from('{"id":1}\n{"id"');
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield Buffer.from(":2}\n");
    }
    const rows = readEither(slowly());
    expect((await rows.next()).value).toMatchObject({ value: { id: 1 } });
    const next = rows.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    more();
    expect((await next).value).toMatchObject({ value: { id: 2 } });
  });
});

describe("tables", () => {
  test("quotes, line breaks, a byte order mark, other alphabets", async () => {
    const csv = '\ufeffimage,"the ""title""",note\r\na.jpg,"two\r\nlines, a comma","größer 猫"\r\n\r\n"b.jpg",,\r\n';
    expect(await all(readFileRows(file("a.csv", csv), "csv"))).toEqual([
      { image: "a.jpg", 'the "title"': "two\r\nlines, a comma", note: "größer 猫" },
      { image: "b.jpg", 'the "title"': "", note: "" },
    ]);
    expect(await all(readFileRows(file("a.tsv", "a\tb\n1\t2,3\n"), "tsv"))).toEqual([{ a: "1", b: "2,3" }]);
    expect(await all(readFileRows(file("empty.csv", ""), "csv"))).toEqual([]);
  });

  test("a row with too few or too many cells is bad, and the others stay", async () => {
    expect(await all(readFileRows(file("b.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n"), "csv"))).toEqual([
      { a: "1", b: "2" },
      { bad: "A row has 1 cells, and the table has 2 columns." },
      { bad: "A row has 3 cells, and the table has 2 columns." },
      { a: "7", b: "8" },
    ]);
  });

  test("what is no table is refused in a sentence", async () => {
    const read = (name: string, content: string | Buffer) => all(readFileRows(file(name, content), "csv"));
    await expect(read("c.csv", 'a,b\n1,"2\n')).rejects.toThrow(/c\.csv is no table: .*\.$/);
    await expect(read("d.csv", "a,a\n1,2\n")).rejects.toThrow('d.csv has two columns called "a".');
    await expect(read("e.csv", Buffer.from("a\n\xe9\n", "latin1"))).rejects.toThrow("e.csv is not UTF-8 text.");
    await expect(all(readFileRows(join(folder, "absent.csv"), "csv"))).rejects.toThrow("there is no file");
  });

  test("a column of a field", () => {
    expect(parseMap("image=the path=x")).toEqual(["image", "the path=x"]);
    for (const wrong of ["image", "=x", "image=", "Image=x"]) expect(() => parseMap(wrong)).toThrow("maps nothing");
  });
});

describe("inputs", () => {
  test("folders with their subfolders, patterns, lists and single files, one after the other", async () => {
    const top = join(folder, "tree");
    mkdirSync(join(top, "a/b"), { recursive: true });
    mkdirSync(join(top, ".hidden"));
    for (const name of ["10.png", "2.png", "a/b/deep.jpg", "a/clip.mp4", ".hidden/x.png", ".y.png"])
      writeFileSync(join(top, name), "empty or not, its name says what it is");
    writeFileSync(join(top, "a/gif"), "GIF89a...");
    writeFileSync(join(top, "notes.txt"), "no picture");
    const open = (...args: string[]) =>
      Inputs.open(args, { zero: false, stdin: pieces("from stdin\n"), onSkip: () => {} });
    const names = async (...args: string[]) =>
      (await all((await open(...args)).rows())).map((name) =>
        typeof name === "string" ? name.replace(`${top}/`, "") : name,
      );
    expect(await names(top)).toEqual(["2.png", "10.png", "a/b/deep.jpg", "a/clip.mp4", "a/gif"]);
    expect(await names(`${top}/**/*.jpg`, `${top}/*.png`)).toEqual(["a/b/deep.jpg", "2.png", "10.png"]);
    expect(await names(`${top}/**`)).toEqual(["2.png", "10.png", "a/clip.mp4", "a/gif", "a/b/deep.jpg"]);
    const list = file("list.jsonl", '{"id":"x"}\n');
    expect(await names(list, "-", `${top}/notes.txt`)).toEqual([{ id: "x" }, "from stdin", "notes.txt"]);
    expect((await open("-")).stream).toBe(true);
    expect((await open(top)).stream).toBe(false);
    await expect(open(join(top, ".hidden/.."), `${top}/*.webm`)).rejects.toThrow("webm");
    await expect(open(folder.replace(/[^/]*$/, "absent-*.png"))).rejects.toThrow("absent-*.png");
    await expect(open("-", "-")).rejects.toThrow("only once");
  });

  test("names are read as far as they go, other rows one ahead", async () => {
    const read: number[] = [];
    async function* source() {
      for (let i = 0; i < 10; i++) {
        read.push(i);
        yield i;
      }
    }
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    const light = eager(source(), () => true, end);
    await light.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([read.length, ended]).toEqual([10, true]);
    read.length = 0;
    ended = false;
    const heavy = eager(source(), () => false, end);
    await heavy.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(read.length).toBeLessThanOrEqual(2);
    const rest: number[] = [];
    for await (const item of heavy) rest.push(item);
    expect([rest, ended]).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9], true]);
    async function* broken() {
      yield 1;
      throw new Error("no more");
    }
    const failing = eager(broken(), () => true, end);
    expect((await failing.next()).value).toBe(1);
    await expect(failing.next()).rejects.toThrow("no more");
  });
});
