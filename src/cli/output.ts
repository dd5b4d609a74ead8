import { Chalk, type ChalkInstance } from "chalk";
import type { Ora } from "ora";
import { StreamFilter, safeJson, safeLine, safeText } from "./filter.js";

/**
 * Where a command's words go. stdout is the answer and nothing else; progress, warnings and timings go to stderr. A pipe gets no escape
 * codes, NO_COLOR takes the colours away, --quiet all but the answer, --json leaves one JSON value on stdout.
 */
export interface Output {
  /** A line of the answer, filtered. */
  line(text?: string): void;
  /** A line that stands out on a terminal. */
  heading(text: string): void;
  /** A piece of streamed model text, filtered across pieces; endText() ends it with a newline when it has none. */
  text(piece: string): void;
  endText(): void;
  /** One JSON value on stdout, a line (indented on a terminal). */
  json(value: unknown): void;
  /** A remark on stderr, not shown with --quiet. */
  note(text: string): void;
  /** A warning on stderr, not shown with --quiet. */
  warn(text: string): void;
  /** A spinner on stderr: moving on a terminal, silent elsewhere and with --quiet. */
  progress(text: string): Progress;
}

export interface Progress {
  update(text: string): void;
  /** Takes the spinner away (before an error is shown). */
  stop(): void;
}

export function createOutput(options: { quiet?: boolean | undefined } = {}): Output {
  const quiet = options.quiet ?? false;
  const interactive = process.stdout.isTTY === true;
  const bold = chalkFor(process.stdout).bold;
  const gray = chalkFor(process.stderr).gray;
  const yellow = chalkFor(process.stderr).yellow;
  let filter = new StreamFilter();
  let atLineStart = true;
  const write = (text: string): void => {
    if (text === "") return;
    process.stdout.write(text);
    atLineStart = text.endsWith("\n");
  };
  return {
    line: (text = "") => write(`${safeText(text)}\n`),
    heading: (text) => write(`${bold(safeLine(text))}\n`),
    text: (piece) => write(filter.write(piece)),
    endText: () => {
      write(filter.end());
      if (!atLineStart) write("\n");
      filter = new StreamFilter();
    },
    json: (value) => write(`${safeJson(value, interactive ? 2 : undefined)}\n`),
    note: (text) => {
      if (!quiet) process.stderr.write(`${gray(safeText(text))}\n`);
    },
    warn: (text) => {
      if (!quiet) process.stderr.write(`${yellow("warning:")} ${safeLine(text)}\n`);
    },
    // A terminal that says it has no columns (one made without a size) would make ora clear endless lines.
    progress: (text) => (quiet || process.stderr.isTTY !== true || !process.stderr.columns ? silent : spinner(text)),
  };
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** Shown once ora is loaded, unless it is no longer wanted then. */
function spinner(text: string): Progress {
  let shown: Ora | undefined;
  let wanted: string | undefined = safeLine(text);
  import("ora").then(({ default: ora }) => {
    if (wanted === undefined) return;
    // discardStdin would take Ctrl-C away from us; the readline of a chat owns the keyboard.
    const color = useColor(process.stderr) ? ("cyan" as const) : (false as const);
    shown = ora({ text: wanted, stream: process.stderr, discardStdin: false, color }).start();
  });
  const stop = (): void => {
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

/** NO_COLOR (https://no-color.org) counts when set and not empty. */
export function useColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

function chalkFor(stream: NodeJS.WriteStream): ChalkInstance {
  return new Chalk({ level: useColor(stream) ? 1 : 0 });
}
