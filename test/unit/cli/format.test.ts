import { expect, test } from "vitest";
import { clock, percent } from "../../../src/cli/format.js";
import { csvRow } from "../../../src/cli/score/view.js";

test("format: times in a clip, to a tenth of a second where they have one", () => {
  const times = [0, 2, 9.96, 59.94, 59.96, 61.5, 599.99, 3599.96, 3600, 36_061.25];
  expect(times.map(clock)).toEqual([
    ...["0:00", "0:02", "0:10", "0:59.9", "1:00", "1:01.5", "10:00", "1:00:00", "1:00:00", "10:01:01.3"],
  ]);
});

test("format: shares in percent", () => {
  expect([0, 0.00049, 0.9321, 1].map(percent)).toEqual(["0.0 %", "0.0 %", "93.2 %", "100.0 %"]);
});

test("format: a line of a table quotes what needs it", () => {
  const scores = {
    candidates: [{ text: 'a "dog", wet', logprob: -1, perToken: -1, share: 0.75, tokens: [] }],
    ...{ media: [], usage: { promptTokens: 1, crops: 0 } },
  };
  expect(csvRow("a\nb", scores)).toBe('"a\nb","a ""dog"", wet",0.750000,');
  expect(csvRow("a", { code: "bad_row", message: "No." })).toBe("a,,,No.");
});
