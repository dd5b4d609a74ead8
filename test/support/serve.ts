import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { afterAll } from "vitest";
import { binary } from "./cli.js";
import { root } from "./files.js";

/** All that a test file started; none outlives it. */
const servers = new Set<ChildProcess>();
afterAll(() => {
  for (const server of servers) server.kill("SIGKILL");
});

/** `owl3 serve` in a process of its own, as a user starts it. */
export class Served {
  url = "";
  log = "";
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;

  private constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [binary, "serve", "--port", "0", ...args], {
      cwd: root,
      env: { ...process.env, OWL3_MODEL: "", ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.log += text;
    });
    this.exit = new Promise((resolve) => this.#child.on("close", resolve));
    servers.add(this.#child);
  }

  /** Starts a server with the demo model and waits until it answers. */
  static async start(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Served> {
    const served = new Served(args, env);
    await served.until(() => /answers at (\S+);/.test(served.log));
    served.url = /answers at (\S+);/.exec(served.log)?.[1] ?? "";
    return served;
  }

  async until(holds: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
    const end = Date.now() + ms;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`it did not come about; the log is ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** The number of the engine process. */
  get enginePid(): number {
    const children = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(this.pid)], { encoding: "utf8" });
    const line = children.split("\n").find((text) => text.includes("worker/child.js"));
    if (!line) throw new Error(`there is no engine among ${children}`);
    return Number.parseInt(line, 10);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, { method: "POST", body: JSON.stringify(body), ...init });
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return Number(line?.split(" ")[1]);
  }
}
