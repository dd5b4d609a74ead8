import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ExitCode, isNativeCode, NativeError, UserError } from "../errors.js";
import { exitNow } from "../native/native.js";
import { commands } from "./commands/index.js";
import { safeLine } from "./filter.js";
import { cleanUp, installInterrupt } from "./interrupt.js";

/** Runs the CLI; the only place that sets an exit code. */
export async function main(argv: string[]): Promise<void> {
  installInterrupt();
  // The reader of a pipe has gone away (`owl3 ... | head -1`): it has what it wanted.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      cleanUp();
      exitNow(error.code === "EPIPE" ? ExitCode.ok : ExitCode.failure);
    });
  process.on("unhandledRejection", (error) => fail(error));
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    fail(error);
  }
}

export function createProgram(): Command {
  const program = new Command("owl3")
    .description("Ask questions about pictures and videos on your own machine.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", examples)
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const add of commands) add(program);
  for (const command of program.commands) {
    command.exitOverride().configureOutput({ outputError: () => {} });
    command.helpOption("-h, --help", "print this help");
  }
  return program;
}

const examples = `Examples:
  owl3 chat photo.jpg "What does the sign say?"
  echo "What is a convolution?" | owl3 chat -q
Exit codes: 0 done, 1 failed, 2 usage, 3 file, 4 model, 5 memory, 130 Ctrl-C.`;

function version(): string {
  return (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string })
    .version;
}

/** One sentence on stderr and the documented exit code; a stack only with OWL3_DEBUG=1. */
function fail(error: unknown): void {
  const { message, exitCode } = explain(error);
  cleanUp();
  if (message !== "") process.stderr.write(`owl3: ${safeLine(message)}\n`);
  if (process.env.OWL3_DEBUG === "1" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  exitNow(exitCode);
}

/** What the user is told about an error, and the exit code. */
export function explain(error: unknown): { message: string; exitCode: number } {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { message: "", exitCode: ExitCode.ok };
    // Commander without a command prints help and calls that an error; nothing more has to be said.
    if (error.code === "commander.help") return { message: "", exitCode: ExitCode.usage };
    return { message: error.message.replace(/^error: /, ""), exitCode: ExitCode.usage };
  }
  if (error instanceof UserError) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (isNativeCode(code)) {
      const native = new NativeError(code, error.message);
      return { message: native.message, exitCode: native.exitCode };
    }
    if (error.name === "AbortError") return { message: "", exitCode: ExitCode.interrupted };
    if (code !== undefined && /^E[A-Z0-9]+$/.test(code) && "syscall" in error)
      return { message: systemMessage(error as NodeJS.ErrnoException), exitCode: ExitCode.file };
    return {
      message: `unexpected error: ${error.message}. Please report it with the command you ran and the output of OWL3_DEBUG=1.`,
      exitCode: ExitCode.failure,
    };
  }
  return { message: `unexpected error: ${String(error)}`, exitCode: ExitCode.failure };
}

function systemMessage(error: NodeJS.ErrnoException): string {
  const where = error.path === undefined ? "" : `${error.path}: `;
  const what: Record<string, string> = {
    ENOENT: "no such file or folder",
    EACCES: "permission denied",
    EISDIR: "is a folder, not a file",
    ENOTDIR: "a part of this path is not a folder",
    ENOSPC: "no space left on the disk",
    EROFS: "the file system is read-only",
    EMFILE: "too many open files",
  };
  return `${where}${what[error.code ?? ""] ?? error.message}`;
}
