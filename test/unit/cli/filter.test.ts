import { expect, test } from "vitest";
import { StreamFilter, safeJson, safeLine, safeText } from "../../../src/cli/filter.js";

const hostile =
  "a\u001b[31mred\u001b]52;c;Zm9v\u0007 \u009b2J\u0085 b\u202ec\u2066d\u200be\u{e0041}\u{e0100}f\ud800g\r\nh\ti \u{1f469}\u200d\u{1f4bb} é 漢\u007f\ufeff";
const clean = "a[31mred]52;c;Zm9v 2J bcdef\ufffdg\nh\ti \u{1f469}\u200d\u{1f4bb} é 漢";

test("filter: controls, reordering and invisible characters go, text stays", () => {
  expect(safeText(hostile)).toBe(clean);
});

test("filter: a stream cut at every position, and into single units, gives the same text", () => {
  for (let cut = 0; cut <= hostile.length; cut++) {
    const filter = new StreamFilter();
    expect(filter.write(hostile.slice(0, cut)) + filter.write(hostile.slice(cut)) + filter.end()).toBe(clean);
  }
  const filter = new StreamFilter();
  let text = "";
  for (let i = 0; i < hostile.length; i++) text += filter.write(hostile[i] ?? "");
  expect(text + filter.end()).toBe(clean);
});

test("filter: a half character at the end of the stream becomes U+FFFD", () => {
  const filter = new StreamFilter();
  expect(filter.write("x\ud83d") + filter.end()).toBe("x\ufffd");
});

test("filter: no code point that acts on a terminal passes", () => {
  for (let c = 0; c < 0xa0; c++)
    expect(safeText(String.fromCharCode(c))).toBe(
      c === 9 || c === 10 || (c >= 0x20 && c < 0x7f) ? String.fromCharCode(c) : "",
    );
});

test("filter: a message's line holds no line breaks", () => {
  expect(safeLine("a\n\nb\u2028c\td")).toBe("a b c d");
});

test("filter: JSON keeps its value and shows nothing unsafe", () => {
  const json = safeJson({ text: hostile, big: 12n });
  expect(JSON.parse(json)).toEqual({ text: hostile, big: 12 });
  expect(safeText(json)).toBe(json);
});
