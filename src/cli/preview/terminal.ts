import { useColor } from "../output.js";
import { columnsOf } from "../wrap.js";

/** How a terminal shows pictures: kitty's protocol, iTerm2's, or halves of blocks in two colours a character, which every one has. */
export type Protocol = "kitty" | "iterm2" | "blocks";

/** Terminals that take iTerm2's pictures, as they call themselves in $TERM_PROGRAM. */
const likeIterm2 = ["iTerm.app", "WezTerm", "mintty"];

/**
 * The way in which the terminal of a stream shows pictures; undefined where none may be shown: a pipe, NO_COLOR, TERM=dumb. Only the environment is
 * read, since the answer of a terminal that was asked would get into what the user types.
 */
export function protocolOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Protocol | undefined {
  if (!useColor(stream) || columnsOf(stream) === undefined) return undefined;
  const { TERM = "", TERM_PROGRAM = "", LC_TERMINAL } = env;
  // A multiplexer does not pass pictures on, and the variables of the terminal around it are left.
  if (env.TMUX || env.STY || /^(screen|tmux)/.test(TERM)) return "blocks";
  if (env.KITTY_WINDOW_ID || /^xterm-(kitty|ghostty)$/.test(TERM) || TERM_PROGRAM === "ghostty") return "kitty";
  return likeIterm2.includes(TERM_PROGRAM) || LC_TERMINAL === "iTerm2" ? "iterm2" : "blocks";
}

/** Whether a terminal says that it has all colours, and not the 256 of xterm alone. */
export function hasTrueColor({ COLORTERM = "", TERM = "", WT_SESSION }: NodeJS.ProcessEnv = process.env): boolean {
  return /^(truecolor|24bit)$/i.test(COLORTERM) || TERM.endsWith("-direct") || Boolean(WT_SESSION);
}

/** Pixels of a character that pictures are made for; terminals scale what differs. */
const cell = { width: 10, height: 20 };

/** The box of a picture in characters and in pixels. */
export interface Box {
  columns: number;
  rows: number;
  maxWidth: number;
  maxHeight: number;
}

/** A box within a terminal: at most half of its rows for one picture, and less for each of several. */
export function boxOf(stream: NodeJS.WriteStream, protocol: Protocol, pictures: number): Box {
  const columns = Math.max(1, Math.min((columnsOf(stream) ?? 80) - 1, 100));
  const rows = Math.max(1, Math.min(Math.floor((stream.rows || 24) / 2), pictures === 1 ? 24 : 8));
  const pixel = protocol === "blocks" ? { width: 1, height: 2 } : cell;
  return { columns, rows, maxWidth: columns * pixel.width, maxHeight: rows * pixel.height };
}

/** The side that a terminal scales a picture by; it keeps the shape. */
export function scaledBy(
  box: Box,
  { width, height }: { width: number; height: number },
): {
  columns?: number;
  rows?: number;
} {
  const wide = width / box.maxWidth >= height / box.maxHeight;
  return wide ? { columns: Math.ceil(width / cell.width) } : { rows: Math.ceil(height / cell.height) };
}
