#!/usr/bin/env node
/**
 * Sends text of dangerous characters through the terminal's filter, whole and cut in two at every place: node tools/stress/filter.mjs [--count N]
 * [--seed N] [--minutes N]. Build first (npm run build).
 *
 * The pieces must give what the whole gives, nothing of it may steer a terminal, and harmless text must stay as it is. The last line is "N passed, N failed".
 */
import { StreamFilter, safeJson, safeLine, safeText } from "../../dist/cli/filter.js";
import { caseOptions, demand, runCases } from "./cases.mjs";

const pieces = [
  ...[
    "\u001b[2J",
    "\u001b]0;title\u0007",
    "\u001b]52;c;aGk=\u001b\\",
    "\u009b31m",
    "\u009d0;x\u009c",
    "\u0090q",
    "\r",
    "\b",
  ],
  ...[
    "\u202e",
    "\u2066",
    "\u200f",
    "\u061c",
    "\ufeff",
    "\u2060",
    "\u180e",
    "\ufff9",
    "\u{e0041}",
    "\u{e0100}",
    "\u2028",
  ],
  ...[
    "\ud83d\ude00",
    "\ud83d",
    "\ude00",
    "\u{1f468}\u200d\u{1f469}",
    "\u0628\u200c",
    "\u00ad",
    "e\u0301",
    "\u0000",
    "\u007f",
  ],
  ...["a", "\n", "\t", " ", "\u00e4", "\u4e2d", "\u{10ffff}", "\uffff", '"', "\\", "[31m"],
];

/** Whether one character may reach a terminal; told by what Unicode says of it, and not by the filter's own ranges. */
function harmless(char) {
  if (char === "\n" || char === "\t" || char === "\u200c" || char === "\u200d") return true;
  if (/^[\p{Cc}\p{Cs}\p{Bidi_Control}]$/u.test(char)) return false;
  // Invisible marks; others of this category, such as the soft hyphen and signs above numbers, belong to texts.
  const code = char.codePointAt(0);
  return (
    !/^\p{Default_Ignorable_Code_Point}$/u.test(char) ||
    code === 0xad ||
    code === 0x34f ||
    (code >= 0x115f && code < 0x2000) ||
    code === 0x3164 ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    code === 0xffa0 ||
    (code >= 0x1bca0 && code <= 0x1d17a) ||
    (code >= 0xfff0 && code <= 0xfff8)
  );
}

function text(draw) {
  return draw
    .list(16, () =>
      draw.oneIn(6)
        ? String.fromCharCode(draw.below(0x10000))
        : draw.oneIn(12)
          ? String.fromCodePoint(draw.below(0x110000))
          : draw.pick(pieces),
    )
    .join("");
}

await runCases(caseOptions(200_000), (draw) => {
  const whole = text(draw);
  const safe = safeText(whole);
  const shown = () => JSON.stringify(whole);
  for (const char of safe) demand(harmless(char), () => `${shown()} lets ${JSON.stringify(char)} through`);
  demand(safeText(safe) === safe, () => `${shown()} filtered twice is something else`);
  demand(
    safe === safeText([...whole].filter(harmless).join("")) || /[\p{Cs}]/u.test(whole),
    () => `${shown()} loses more than what acts`,
  );
  for (let cut = 0; cut <= whole.length; cut++) {
    const filter = new StreamFilter();
    const got = filter.write(whole.slice(0, cut)) + filter.write(whole.slice(cut)) + filter.end();
    demand(got === safe, () => `${shown()} cut at ${cut} gives ${JSON.stringify(got)}`);
  }
  const filter = new StreamFilter();
  let got = "";
  for (let at = 0; at < whole.length; ) {
    const size = 1 + draw.below(3);
    got += filter.write(whole.slice(at, at + size));
    at += size;
  }
  demand(got + filter.end() === safe, () => `${shown()} in small pieces gives ${JSON.stringify(got)}`);
  demand(!/[\t\n\u2028\u2029]/.test(safeLine(whole)), () => `${shown()} breaks a line`);
  const value = { [whole]: [whole, draw.below(9)] };
  const json = safeJson(value, draw.pick([undefined, 2]));
  demand(JSON.stringify(JSON.parse(json)) === JSON.stringify(value), () => `${shown()} changes in JSON`);
  for (const char of json) demand(harmless(char), () => `${shown()} lets ${JSON.stringify(char)} through in JSON`);
});
