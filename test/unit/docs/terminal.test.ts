import { expect, test } from "vitest";
// @ts-expect-error: a script without types
import { screens, textOf } from "../../../tools/docs/screens.mjs";
// @ts-expect-error: a script without types
import { draw } from "../../../tools/docs/terminal-svg.mjs";

const cast = (...events: [number, string][]) =>
  [{ version: 2, width: 40, height: 4 }, ...events.map(([at, text]) => [at, "o", text])]
    .map((line) => JSON.stringify(line))
    .join("\n");

test("a row is shown from when it is written until it changes; what is erased before anybody sees it is not", async () => {
  const { rows } = await screens(
    cast(
      [0, "$ "],
      [1, "a"],
      [2, "\r\n\u001b[36m*\u001b[39m busy"],
      [2.01, "\r\u001b[0K"],
      [3, "\u001b[1mdone\u001b[0m & gone <"],
    ),
  );
  const plain = { bold: false, dim: false };
  expect(rows).toEqual([
    { row: 0, from: 0, to: 1, runs: [{ at: 0, text: "$", ...plain }] },
    { row: 0, from: 1, runs: [{ at: 0, text: "$ a", ...plain }] },
    {
      row: 1,
      from: 3,
      runs: [
        { at: 0, text: "done", bold: true, dim: false },
        { at: 4, text: " & gone <", ...plain },
      ],
    },
  ]);
});

test("lines that scrolled away are part of the text", async () => {
  const text = cast([0, "one\r\ntwo\r\nthree\r\nfour\r\n"], [1, "five"]);
  expect(await textOf(text)).toBe("one\ntwo\nthree\nfour\nfive");
  expect((await screens(text)).rows.filter(({ to }: { to?: number }) => to === undefined)).toHaveLength(4);
});

test("the drawing is one SVG without scripts or outside resources; its description is what stays", async () => {
  const svg = draw(await screens(cast([0, "first"], [1.5, "\r\u001b[2Ka < b"])));
  expect(svg).toContain("<desc>a &lt; b</desc>");
  expect(svg).toContain('<g class="goes" style="animation-delay:0s;animation-duration:1.52s">');
  expect(svg).toContain('<g class="stays" style="animation-duration:1.52s">');
  expect(svg).not.toMatch(/<script|href|url\(|@import|<image|<foreignObject/i);
  expect(svg.match(/https?:[^"]*/g)).toEqual(["http://www.w3.org/2000/svg"]);
});
