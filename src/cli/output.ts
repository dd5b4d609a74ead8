import { Chalk, type ChalkInstance } from "chalk";
import type { Ora } from "ora";
import { onInterrupt } from "../cleanup.js";
import { StreamFilter, safeJson, safeLine, safeText } from "./filter.js";
import { columnsOf, WordWrap, wrapped } from "./wrap.js";

/**
 * The output of a command. The answer goes to stdout, and nothing else; progress, warnings and timings go to stderr. A pipe gets no escape
 * codes, NO_COLOR turns colours off, --quiet everything but the answer, and --json leaves one JSON value on stdout.
 */
export interface Output {
  /** Writes a line of the answer, filtered. */
  line(text?: string): void;
  /** Writes a line that stands out on a terminal. */
  heading(text: string): void;
  /** Writes a piece of streamed text, filtered across pieces; endText() ends the text with a newline if it has none. */
  text(piece: string): void;
  endText(): void;
  /** Writes one JSON value: on one line, or indented on a terminal. */
  json(value: unknown): void;
  /** Writes a remark to stderr; --quiet suppresses it. */
  note(text: string): void;
  /** Writes a warning to stderr; --quiet suppresses it. */
  warn(text: string): void;
  /** Shows a spinner on stderr if that is a terminal and --quiet was not given. */
  progress(text: string): Progress;
}

export interface Progress {
  update(text: string): void;
  /** Removes the spinner; call it before an error is shown. */
  stop(): void;
}

/** Warns of each medium that is left out because of an error. */
export const tellSkipped =
  (out: Output) =>
  (error: Error): void =>
    out.warn(`left out: ${error.message}`);

export function createOutput(options: { quiet?: boolean | undefined } = {}): Output {
  const quiet = options.quiet ?? false;
  const interactive = process.stdout.isTTY === true;
  const bold = chalkFor(process.stdout).bold;
  const gray = chalkFor(process.stderr).gray;
  const yellow = chalkFor(process.stderr).yellow;
  let filter = new StreamFilter();
  let wrap = new WordWrap(() => columnsOf(process.stdout));
  let atLineStart = true;
  const write = (text: string): void => {
    if (text === "") return;
    process.stdout.write(text);
    atLineStart = text.endsWith("\n");
  };
  return {
    line: (text = "") => write(`${safeText(text)}\n`),
    heading: (text) => write(`${bold(safeLine(text))}\n`),
    text: (piece) => write(wrap.write(filter.write(piece))),
    endText: () => {
      write(wrap.write(filter.end()) + wrap.end());
      if (!atLineStart) write("\n");
      filter = new StreamFilter();
      wrap = new WordWrap(() => columnsOf(process.stdout));
    },
    json: (value) => write(`${safeJson(value, interactive ? 2 : undefined)}\n`),
    note: (text) => {
      if (!quiet) process.stderr.write(`${gray(wrapped(safeText(text), process.stderr))}\n`);
    },
    warn: (text) => {
      if (quiet) return;
      const whole = wrapped(`warning: ${safeLine(text)}`, process.stderr);
      process.stderr.write(`${whole.replace(/^warning:/, yellow("warning:"))}\n`);
    },
    // On a terminal without a size, which reports 0 columns, ora would clear lines without end.
    progress: (text) => (quiet || process.stderr.isTTY !== true || !process.stderr.columns ? silent : spinner(text)),
  };
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** Shows a spinner once ora is loaded, unless it was stopped before. */
function spinner(text: string): Progress {
  let shown: Ora | undefined;
  let wanted: string | undefined = safeLine(text);
  // Without this Ctrl-C would leave the line on the screen.
  const release = onInterrupt(() => stop());
  import("ora").then(({ default: ora }) => {
    if (wanted === undefined) return;
    // With discardStdin Ctrl-C would not reach us; the readline of a chat owns the keyboard.
    const color = useColor(process.stderr) ? ("cyan" as const) : (false as const);
    shown = ora({ text: wanted, stream: process.stderr, discardStdin: false, color }).start();
  });
  const stop = (): void => {
    release();
    wanted = undefined;
    shown?.stop();
    shown = undefined;
  };
  return {
    update: (next) => {
      wanted = safeLine(next);
      if (shown) shown.text = wanted;
    },
    stop,
  };
}

/** Whether a stream gets colours; NO_COLOR (https://no-color.org) counts if it is set and not empty. */
export function useColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

function chalkFor(stream: NodeJS.WriteStream): ChalkInstance {
  return new Chalk({ level: useColor(stream) ? 1 : 0 });
}
