/**
 * Draws what a terminal shows over time as an SVG that plays once and then stays: CSS alone moves it, so that it plays as a picture of a README. Without
 * animations (for want of them, or because the reader prefers less motion) it shows the end.
 */
const cell = { width: 8.4, height: 19 };
const margin = 18;
const font = 14;
const ink = "#e6edf3";
/** The palette of a terminal, each readable on the background (a contrast of at least 4.5 but for black). */
const palette = [
  ...["#6e7681", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"],
  ...["#8b949e", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"],
];

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (x) => String(Math.round(x * 100) / 100);

/** textLength keeps the columns where they are in whatever font the reader has. */
function runElements(row, runs) {
  return runs.map(({ at, text, color, bold, dim }) => {
    const lead = text.length - text.trimStart().length; // spaces have no ink
    const shown = text.slice(lead);
    if (shown === "") return "";
    const look = [
      ...(color === undefined ? [] : [`fill="${palette[color]}"`]),
      ...(bold ? ['font-weight="bold"'] : []),
      ...(dim ? ['fill-opacity=".7"'] : []),
    ];
    const place = `x="${round(margin + (at + lead) * cell.width)}" y="${round(margin + row * cell.height + font)}"`;
    const length = `textLength="${round([...shown].length * cell.width)}"`;
    return `<text ${[place, length, ...look].join(" ")}>${escaped(shown)}</text>`;
  });
}

/** @param {Awaited<ReturnType<import("./screens.mjs").screens>>} screens */
export function draw({ width, height, rows }) {
  const last = rows.filter(({ to }) => to === undefined);
  const used = Math.max(...rows.map(({ row }) => row)) + 1;
  const box = {
    width: Math.ceil(width * cell.width + 2 * margin),
    height: Math.min(height, used) * cell.height + 2 * margin,
  };
  const told = last.sort((a, b) => a.row - b.row).map(({ runs }) => runs.map(({ text }) => text).join(""));
  const groups = rows.map(({ row, from, to, runs }) => {
    const texts = runElements(row, runs).join("");
    return to === undefined
      ? `<g class="stays" style="animation-duration:${round(from)}s">${texts}</g>`
      : `<g class="goes" style="animation-delay:${round(from)}s;animation-duration:${round(to - from)}s">${texts}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${box.width}" height="${box.height}" viewBox="0 0 ${box.width} ${box.height}" fill="${ink}">
<title>owl3 in a terminal</title>
<desc>${escaped(told.join("\n"))}</desc>
<style>
text{font:${font}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.goes{visibility:hidden;animation:shown 1s step-end}
.stays{animation:hidden 1s step-end backwards}
@keyframes shown{from,to{visibility:visible}}
@keyframes hidden{from,to{visibility:hidden}}
@media (prefers-reduced-motion:reduce){.goes,.stays{animation:none}}
</style>
<rect x=".5" y=".5" width="${box.width - 1}" height="${box.height - 1}" rx="8" fill="#161b22" stroke="#484f58"/>
${groups.join("\n")}
</svg>
`;
}
