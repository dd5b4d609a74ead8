import { expect, test } from "vitest";
import { WordWrap } from "../../../src/cli/wrap.js";

function wrapped(text: string, columns: number | undefined, piece = 3): string {
  const wrap = new WordWrap(() => columns);
  let out = "";
  for (let i = 0; i < text.length; i += piece) out += wrap.write(text.slice(i, i + piece));
  return out + wrap.end();
}

test("words are not broken at the edge, however the text arrives", () => {
  const text = "A large red circle at the top left, and more.\n\n  - one two\nend";
  for (const piece of [1, 2, 3, 7, 100])
    expect(wrapped(text, 20, piece)).toBe("A large red circle\nat the top left, and\nmore.\n\n  - one two\nend");
  for (const line of wrapped("word ".repeat(50), 17).split("\n")) expect(line.trimEnd().length).toBeLessThanOrEqual(17);
});

test("a word that is longer than a line stays whole, and lines go on after it", () => {
  expect(wrapped("see aaaaaaaaaaaaaaaa b c", 10)).toBe("see\naaaaaaaaaaaaaaaa b c");
});

test("wide characters break between any two, and no line begins with a closing mark", () => {
  expect(wrapped("一二三四五六七", 6, 1)).toBe("一二三\n四五六\n七");
  expect(wrapped("一二三。四", 6, 1)).toBe("一二三。\n四".replace("\n", ""));
});

test("without a width nothing changes, and none of the text is lost", () => {
  const text = "  a  b\t c \n\nd ";
  expect(wrapped(text, undefined)).toBe(text);
  expect(wrapped(text, 80)).toBe(text);
  expect(wrapped("x y z ".repeat(40), 9).replace(/\s/g, "")).toBe("xyz".repeat(40));
});
