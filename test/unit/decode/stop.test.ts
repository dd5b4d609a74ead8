import { expect, test } from "vitest";
import { StopStrings } from "../../../src/decode/stop.js";

function run(pieces: string[], stops: string[]): { text: string; stopped: boolean; given: string[] } {
  const matcher = new StopStrings(stops);
  const given: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    given.push(text);
    if (stopped) return { text: given.join(""), stopped, given };
  }
  given.push(matcher.end());
  return { text: given.join(""), stopped: false, given };
}

test("stop strings: found wherever the pieces are cut, and never given out", () => {
  const text = "one two END three";
  for (let a = 0; a <= text.length; a++)
    for (let b = a; b <= text.length; b++) {
      const { text: got, stopped } = run([text.slice(0, a), text.slice(a, b), text.slice(b)], ["END", "nothing"]);
      expect([got, stopped]).toEqual(["one two ", true]);
    }
});

test("stop strings: the earliest of several wins", () => {
  expect(run(["abcdef"], ["ef", "cd"]).text).toBe("ab");
});

test("stop strings: a beginning that does not go on is given out at the end, other text at once", () => {
  expect(run(["x EN", "TRY EN"], ["END"])).toEqual({
    text: "x ENTRY EN",
    stopped: false,
    given: ["x ", "ENTRY ", "EN"],
  });
});

test("stop strings: overlapping beginnings", () => {
  expect(run(["a", "a", "a", "b", "c"], ["aab"])).toMatchObject({ text: "a", stopped: true });
  expect(run(["plain"], ["", "\n\n"]).text).toBe("plain");
});
