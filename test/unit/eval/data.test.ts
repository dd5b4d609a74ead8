import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  list,
  optionalPicture,
  optionIndex,
  picture,
  pictures,
  type Row,
  rowsOf,
  text,
} from "../../../src/eval/cells.js";
import { readData } from "../../../src/eval/data.js";
import { fixtures, root, temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("data: a list, lines and one object of JSON, whatever the file is called", async () => {
  expect((await readData(file("list.json", '[{"a":1},{"a":2}]'))).rows).toEqual([{ a: 1 }, { a: 2 }]);
  expect((await readData(file("lines.json", '{"a":1}\n\n{"a":2}\n'))).rows).toEqual([{ a: 1 }, { a: 2 }]);
  const whole = await readData(file("whole.json", '{\n"questions": []\n}'));
  expect(whole).toMatchObject({ name: "whole", rows: [], whole: { questions: [] } });
  expect((await readData(file("one.jsonl", '{"a":1}\n'))).rows).toEqual([{ a: 1 }]);
});

test("data: tables with quotes, line breaks in cells and a byte order mark", async () => {
  const csv = await readData(file("a.csv", '\ufeffq,a\n"one, ""two""\nthree",4\n\n'));
  expect(csv.rows).toEqual([{ q: 'one, "two"\nthree', a: "4" }]);
  const tsv = await readData(file("a.tsv", 'index\tquestion\n7\tWhat, then?\n8\t"a\tb"\n'));
  expect(tsv.rows).toEqual([
    { index: "7", question: "What, then?" },
    { index: "8", question: "a\tb" },
  ]);
});

test("data: what is no data is refused in a sentence that names the file", async () => {
  await expect(readData(join(folder, "absent.json"))).rejects.toThrow(/there is no file .*absent\.json\./);
  await expect(readData(folder)).rejects.toThrow("is not a regular file");
  await expect(readData(file("bad.jsonl", '{"a":1}\n{"a":'))).rejects.toThrow(/bad\.jsonl, line 2 is not JSON/);
  await expect(readData(file("numbers.json", "[1,2]"))).rejects.toThrow("row 1 is not an object");
  await expect(readData(file("open.csv", 'a,b\n"1,2\n'))).rejects.toThrow("is no table");
  await expect(readData(file("torn.parquet", "PAR1 and nothing more"))).rejects.toThrow("can't be read as Parquet");
  writeFileSync(join(folder, "binary.json"), Buffer.of(0xff, 0xfe, 0));
  await expect(readData(join(folder, "binary.json"))).rejects.toThrow("neither UTF-8 text nor Parquet");
});

test("data: Parquet has texts, lists and numbers at once and pictures when they are asked for", async () => {
  const rows = rowsOf([await readData(join(fixtures, "eval/pairs.parquet"))]);
  const [first, second, third] = rows as [Row, Row, Row];
  expect(rows.map((row) => text(row, "identifier"))).toEqual(["dev-0", "dev-1", "dev-2"]);
  expect(text(second, "question")).toBe("Größe 5 … ✓");
  expect(list(second, "options")).toEqual(["a'b", 'c"d']);
  expect(text(first, "number")).toBe("1");
  const before = await readFile(join(root, "examples/before.png"));
  const after = await readFile(join(root, "examples/after.png"));
  expect(await picture(first, "left_image")).toMatchObject({ kind: "image", bytes: new Uint8Array(before) });
  expect(await picture(second, "left_image")).toMatchObject({ bytes: new Uint8Array(after) });
  expect(await picture(third, "left_image")).toEqual({ kind: "image", file: "before.png" });
  expect(await optionalPicture(third, "right_image")).toBeUndefined();
  await expect(picture(third, "right_image")).rejects.toThrow(/row 3 has no picture in "right_image"/);
  expect((await pictures(first, "images")).map((medium) => "bytes" in medium && medium.bytes.length)).toEqual([
    before.length,
    after.length,
  ]);
  expect(await pictures(third, "images")).toEqual([]);
});

const row = (cells: Record<string, unknown>): Row => ({
  ...{ cells, where: "f, row 1", at: 0 },
  data: { path: "f", name: "f", bytes: 0, sha256: "", rows: [] },
});

test("cells: lists as JSON and as Python writes them", () => {
  expect(list(row({ o: '["a", "b"]' }), "o")).toEqual(["a", "b"]);
  expect(list(row({ o: `['it''s', "it's", 'a, b']` }), "o")).toEqual(["it", "s", "it's", "a, b"]);
  expect(list(row({ o: "['a\\'b']" }), "o")).toEqual(["a'b"]);
  expect(() => list(row({ o: "a, b" }), "o")).toThrow('f, row 1: "o" is not a list of texts.');
  expect(() => list(row({ o: [{}] }), "o")).toThrow("not a list of texts");
});

test("cells: the right option by number, letter or text", () => {
  const index = (answer: unknown, options = ["4", "red", "blue"]) => optionIndex(row({ answer }), "answer", options);
  expect(index(1)).toBe(1);
  expect(index("2")).toBe(2);
  expect(index("(C)")).toBe(2);
  expect(index("B.")).toBe(1);
  expect(index("4")).toBe(0); // a text that is an option is no number
  expect(index("blue")).toBe(2);
  expect(() => index("green")).toThrow('"answer" is green, which is none of the 3 options');
  expect(() => index("3")).toThrow("none of the 3 options");
  expect(() => index("D")).toThrow("none of the 3 options");
});
