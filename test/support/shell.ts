import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** Whether a program is in PATH. */
export const has = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** A program in a pseudo-terminal, made by util-linux's script(1), and what a person would type into it. */
export class Typed {
  output = "";
  readonly #child: ChildProcess;
  readonly #env: NodeJS.ProcessEnv;

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.#child = spawn("script", ["-qefc", `stty cols 120 rows 40; exec ${command}`, "/dev/null"], {
      env: this.#env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
    });
  }

  /** Types text and waits until what comes after it matches. */
  async type(text: string, awaited: RegExp): Promise<void> {
    const before = this.output.length;
    this.#child.stdin?.write(text);
    const started = Date.now();
    while (!awaited.test(this.output.slice(before))) {
      if (Date.now() - started > 30_000)
        throw new Error(`no ${awaited} in ${JSON.stringify(this.output.slice(before))}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
