import { stat } from "node:fs/promises";
import { formatBytes } from "../../format.js";
import type { LogEntry } from "../../logs/entry.js";
import { isPrivate, isSwitchedOn, logFiles, logsFolder, readEntries, switchLogs } from "../../logs/logs.js";
import { localTime } from "../format.js";
import type { Output } from "../output.js";

export interface ShowFlags {
  count: number;
  query?: string;
  response?: boolean;
  json?: boolean;
}

/** Prints the last entries of the log, the newest at the end. */
export async function showLogs(out: Output, { count, query, response, json }: ShowFlags): Promise<void> {
  const { entries, damaged } = await readEntries({ count: response ? 1 : count, text: query });
  if (damaged > 0) out.warn(`${damaged} ${damaged === 1 ? "line of the log is" : "lines of the log are"} damaged.`);
  if (json) return out.json(entries);
  const last = entries.at(-1);
  if (!last) {
    const why = query === undefined && !(await isSwitchedOn()) ? " `owl3 logs on` begins to log." : "";
    return out.note(`No answer ${query === undefined ? "was logged" : "in the log has that text"}.${why}`);
  }
  if (response) return out.line(last.answer);
  for (const entry of entries) print(out, entry);
}

function print(out: Output, { time, model, session, system, prompt, media, answer, finish }: LogEntry): void {
  const about = [localTime(new Date(time)), model, ...(session === undefined ? [] : [`session ${session}`])];
  out.heading(`# ${about.join(", ")}${finish === "stopped" ? " (stopped)" : ""}`);
  if (system !== undefined) out.line(`system: ${system}`);
  for (const { path } of media) out.heading(`> [${path}]`);
  for (const line of prompt.replace(/^\n/, "").split("\n")) out.line(`> ${line}`);
  out.line(`${answer}\n`);
}

export async function switchAndSay(out: Output, on: boolean): Promise<void> {
  await switchLogs(on);
  out.note(
    on
      ? `questions and answers are logged in ${logsFolder()} from now on; --no-log or OWL3_NO_LOG=1 leaves one out.`
      : `nothing is logged from now on; what was logged stays in ${logsFolder()}.`,
  );
}

export async function status(out: Output): Promise<void> {
  const on = await isSwitchedOn();
  const files = await logFiles();
  let bytes = 0;
  for (const file of files) bytes += (await stat(file)).size;
  const but = on && isPrivate() ? ", but OWL3_NO_LOG is set here" : "";
  out.line(`logging is ${on ? "on" : "off"}${but}`);
  out.line(`${logsFolder()}: ${files.length} ${files.length === 1 ? "month" : "months"}, ${formatBytes(bytes)}`);
}
