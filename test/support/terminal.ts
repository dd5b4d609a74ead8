import { type ChildProcess, spawn } from "node:child_process";
import { binary } from "./cli.js";

/** owl3 in a pseudo-terminal, made by util-linux's script(1): what a person at a keyboard sees. */
export class Terminal {
  output = "";
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;
  #changed: () => void = () => {};

  /** @param args owl3's, or what bash is to run, with owl3 as "$@" */
  constructor(args: readonly string[] | string, env: Record<string, string> = {}, columns = 100) {
    const owl3 = [process.execPath, binary];
    const words = typeof args === "string" ? ["bash", "-c", args, "bash", ...owl3] : [...owl3, ...args];
    const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const { CI: _, ...inherited } = process.env;
    this.#child = spawn("script", ["-qefc", `stty cols ${columns} rows 30; exec ${quoted}`, "/dev/null"], {
      env: { ...inherited, TERM: "xterm", ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
      this.#changed();
    });
    this.exit = new Promise((resolve) => this.#child.on("close", resolve));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until what came since the last wait matches, and returns it. */
  async until(pattern: RegExp): Promise<string> {
    const started = Date.now();
    for (;;) {
      const found = pattern.exec(this.output.slice(this.#seen));
      if (found) {
        const text = this.output.slice(this.#seen, this.#seen + found.index + found[0].length);
        this.#seen += found.index + found[0].length;
        return text;
      }
      if (Date.now() - started > 30_000)
        throw new Error(`no ${pattern} in ${JSON.stringify(this.output.slice(this.#seen))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  #seen = 0;

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Text without escape sequences. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what goes
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}
