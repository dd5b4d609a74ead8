/** Plays an asciicast and tells what the terminal shows: xterm.js reads the escape sequences. */
import xterm from "@xterm/headless";

/**
 * A stretch of a row whose characters look alike; `at` is its first column. `color` is a number from 0 to 15 of the terminal's palette, if it has one.
 * @typedef {{ at: number, text: string, color?: number, bold: boolean, dim: boolean }} Run
 */

/** Plays events of an asciicast into a terminal and calls `shown` with the terminal and the seconds after each. */
async function play(cast, shown) {
  const [head, ...lines] = cast.trimEnd().split("\n");
  const { width, height } = JSON.parse(head);
  const terminal = new xterm.Terminal({ cols: width, rows: height, scrollback: 10_000, allowProposedApi: true });
  for (const [at, , text] of lines.map((line) => JSON.parse(line))) {
    await new Promise((resolve) => terminal.write(text, resolve));
    shown(terminal, at);
  }
  return { terminal, width, height };
}

/** The row of a buffer as runs; spaces at its end are left out. */
function runsOf(line, width) {
  const runs = [];
  for (let x = 0; x < width; x++) {
    const cell = line?.getCell(x);
    if (!cell || cell.getWidth() === 0) continue;
    const look = {
      ...(cell.isFgPalette() && cell.getFgColor() < 16 && { color: cell.getFgColor() }),
      bold: cell.isBold() !== 0,
      dim: cell.isDim() !== 0,
    };
    const last = runs.at(-1);
    const chars = cell.getChars() || " ";
    if (last && last.color === look.color && last.bold === look.bold && last.dim === look.dim) last.text += chars;
    else runs.push({ at: x, text: chars, ...look });
  }
  while (runs.length > 0 && runs.at(-1).text.trim() === "") runs.pop();
  const last = runs.at(-1);
  if (last) last.text = last.text.trimEnd();
  return runs;
}

/**
 * The stretches of time in which a row shows something: `from` and `to` in seconds, `to` undefined for what stays. Times are in steps of a 25th of a second.
 * @returns {Promise<{ width: number, height: number, rows: { row: number, from: number, to?: number, runs: Run[] }[] }>}
 */
export async function screens(cast) {
  const rows = [];
  const current = new Map();
  const step = (at) => Math.round(at * 25) / 25;
  const { width, height } = await play(cast, (terminal, at) => {
    const { active } = terminal.buffer;
    for (let row = 0; row < terminal.rows; row++) {
      const runs = runsOf(active.getLine(active.baseY + row), terminal.cols);
      const before = current.get(row);
      if (JSON.stringify(before?.runs ?? []) === JSON.stringify(runs)) continue;
      if (before) before.to = step(at);
      const shown = { row, from: step(at), runs };
      if (runs.length > 0) rows.push(shown);
      current.set(row, runs.length > 0 ? shown : undefined);
    }
  });
  return { width, height, rows: rows.filter(({ from, to }) => to === undefined || to > from) };
}

/** All that an asciicast leaves on the terminal, scrolled away or not, as lines of text. */
export async function textOf(cast) {
  const { terminal } = await play(cast, () => {});
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true) ?? "");
  return lines.join("\n").trimEnd();
}
