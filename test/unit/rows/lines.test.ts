import { expect, test } from "vitest";
import { parseObject, splitLines } from "../../../src/rows/lines.js";

async function split(pieces: string[], options = {}) {
  async function* stream() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  const lines = [];
  for await (const { bytes, ...rest } of splitLines(stream(), options)) lines.push({ text: bytes.toString(), ...rest });
  return lines;
}
const whole = { whole: true, tooLong: false };

test("lines: split wherever the pieces end, and the last may lack its newline", async () => {
  const text = "one\n\ntwo größer\r\nlast";
  const expected = [
    { text: "one", length: 4, ...whole },
    { text: "", length: 1, ...whole },
    { text: "two größer\r", length: 14, ...whole },
    { text: "last", length: 4, ...whole, whole: false },
  ];
  expect(await split([text])).toEqual(expected);
  expect(await split([...text])).toEqual(expected);
  expect(await split([])).toEqual([]);
  expect(await split(["a\0b\nc\0"], { separator: 0 })).toEqual([
    { text: "a", length: 2, ...whole },
    { text: "b\nc", length: 4, ...whole },
  ]);
});

test("lines: one that is too long is told and not kept", async () => {
  expect(await split(["abc", "def", "\nok\n"], { max: 4 })).toEqual([
    { text: "", length: 7, whole: true, tooLong: true },
    { text: "ok", length: 3, ...whole },
  ]);
});

test("lines: an object or nothing", () => {
  expect(parseObject(Buffer.from('{"a":1}'))).toEqual({ a: 1 });
  for (const bad of ["", "x", "[1]", "null", "1", '{"a":', '"{}"', '{"a":"\xff"}'])
    expect(parseObject(Buffer.from(bad, "latin1"))).toBeUndefined();
});
