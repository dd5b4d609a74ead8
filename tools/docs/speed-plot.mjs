/** The plot of SPEED.md: how many times as fast owl3 is as each peer, a panel per machine. */
import { eachPeer, rows, workName } from "./figures.mjs";

// Colours that are told apart by everybody (Okabe and Ito, "Color Universal Design").
const colours = {
  "llama.cpp": "#0072B2",
  "llama.cpp with flash attention": "#999999",
  "ik_llama.cpp": "#56B4E9",
  PyTorch: "#D55E00",
  "ONNX Runtime": "#009E73",
  OpenVINO: "#CC79A7",
};
const [left, width, line, from, to] = [170, 430, 18, 0.4, 16];

/** Where a ratio stands; the axis is logarithmic, and what is beyond its ends stands at them. */
const x = (ratio) => left + (width * Math.log(Math.min(Math.max(ratio, from), to) / from)) / Math.log(to / from);
const text = (at, y, words, more = "") => `<text x="${at.toFixed(1)}" y="${y}"${more}>${words}</text>`;

function panel(title, list, top) {
  const bottom = top + 12 + line * list.length;
  const out = [text(8, top, title, ' font-weight="bold"')];
  for (const ratio of [0.5, 1, 2, 4, 8, 16]) {
    const stroke = ratio === 1 ? "#333" : "#ddd";
    out.push(`<path d="M${x(ratio).toFixed(1)} ${top + 6}V${bottom}" stroke="${stroke}"/>`);
    out.push(text(x(ratio), bottom + 12, `${ratio} x`, ' text-anchor="middle" fill="#666"'));
  }
  list.forEach(({ ours, rivals }, i) => {
    const y = top + 18 + line * i;
    out.push(text(8, y + 4, `${workName(ours.work)}, ${ours.type}`));
    for (const { who, type, ratio } of eachPeer(rivals)) {
      const fill = colours[who] ?? "#000";
      out.push(
        `<circle cx="${x(ratio).toFixed(1)}" cy="${y}" r="4.5" fill="${fill}" fill-opacity="0.85">` +
          `<title>${who} ${type}: ${ratio.toFixed(2)} x</title></circle>`,
      );
    }
  });
  return [out, bottom + 34];
}

/** The plot as SVG: a panel for each machine ([{title, runs}]). */
export function plot(machines) {
  const out = [];
  let y = 20;
  const shown = new Set();
  for (const { title, runs } of machines) {
    const list = rows(runs).filter(({ rivals }) => rivals.length > 0);
    for (const { rivals } of list) for (const { who } of rivals) shown.add(who);
    const [lines, next] = panel(title, list, y);
    out.push(...lines);
    y = next;
  }
  let at = 8;
  for (const who of Object.keys(colours).filter((name) => shown.has(name))) {
    out.push(`<circle cx="${at + 4}" cy="${y - 4}" r="4.5" fill="${colours[who]}"/>`, text(at + 12, y, who));
    at += 26 + 6.2 * who.length;
  }
  const [w, h] = [left + width + 20, y + 12];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="sans-serif" font-size="11">`,
    "<title>owl3 against each peer: to the right of 1 x, owl3 is faster</title>",
    `<rect width="${w}" height="${h}" fill="#fff"/>`,
    ...out,
    "</svg>",
    "",
  ].join("\n");
}
