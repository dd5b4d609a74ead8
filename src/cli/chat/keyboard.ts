import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { homeFolder } from "../../folders.js";

const maxHistory = 500;

/**
 * Reads lines from a terminal, with history. The terminal is in its normal mode between lines, so that Ctrl-C during an answer is the usual
 * signal and text that is typed ahead waits for the next line.
 */
export class Keyboard {
  #history: string[];
  readonly #file: string;

  private constructor(history: string[], file: string) {
    this.#history = history;
    this.#file = file;
  }

  static async open(): Promise<Keyboard> {
    const base = process.env.XDG_STATE_HOME || path.join(homeFolder(), ".local", "state");
    const file = path.join(base, "owl3", "history");
    const text = await readFile(file, "utf8").catch(() => "");
    return new Keyboard(text.split("\n").filter(Boolean).slice(0, maxHistory), file);
  }

  /** Reads the next line, or several that are pasted at once; undefined if the user leaves (Ctrl-D, or Ctrl-C twice on an empty line). */
  ask(prompt: string): Promise<string | undefined> {
    const line = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: [...this.#history],
      historySize: maxHistory,
      removeHistoryDuplicates: true,
      prompt,
    });
    line.on("history", (history) => {
      this.#history = history;
    });
    return new Promise((resolve) => {
      const lines: string[] = [];
      let leaving = false;
      line.on("line", (text) => {
        lines.push(text);
        // A paste arrives in one piece, so its further lines belong to the same question. An unfinished last line waits for Enter.
        setImmediate(() => {
          if (line.line === "") line.close();
        });
      });
      line.on("SIGINT", () => {
        if (leaving && line.line === "") return line.close();
        leaving = line.line === "";
        process.stdout.write(leaving ? "\n(Ctrl-C again or Ctrl-D leaves)\n" : "\n");
        line.write(null, { ctrl: true, name: "e" });
        line.write(null, { ctrl: true, name: "u" });
        line.prompt();
      });
      line.on("close", () => {
        if (lines.length === 0) process.stdout.write("\n");
        resolve(lines.length > 0 ? lines.join("\n") : undefined);
      });
      line.prompt();
    });
  }

  /** Saves the history, readable by the user alone. Failures are ignored, since the conversation does not depend on it. */
  async save(): Promise<void> {
    await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 })
      .then(() => writeFile(this.#file, `${this.#history.slice(0, maxHistory).join("\n")}\n`, { mode: 0o600 }))
      .catch(() => {});
  }
}
