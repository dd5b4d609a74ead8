import { Command, CommanderError } from "commander";
import { cleanUp } from "../cleanup.js";
import { ExitCode, FileError, systemReason, UsageError } from "../errors.js";
import { exitNow } from "../native/native.js";
import { packageVersion } from "../version.js";
import { mainCommands, otherCommands } from "./commands/index.js";
import { explain } from "./explain.js";
import { safeLine } from "./filter.js";
import { byHabit } from "./habits.js";
import { endBy, installInterrupt } from "./interrupt.js";
import { exitWords } from "./reference.js";
import { tellRepeats } from "./repeats.js";
import { usageMessage } from "./usage.js";
import { wrapped } from "./wrap.js";

/** Runs the CLI; the only place that sets an exit code. */
export async function main(argv: string[]): Promise<void> {
  installInterrupt();
  process.stdout.on("error", (error) => unwritable(error, "stdout"));
  process.stderr.on("error", (error) => unwritable(error, "stderr"));
  process.on("unhandledRejection", (error) => fail(error));
  const program = createProgram();
  const args = await byHabit(argv.slice(2), program);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    fail(error instanceof CommanderError && error.exitCode !== 0 ? asUsage(error, program, args) : error);
  }
}

export function createProgram(): Command {
  const program = new Command("owl3")
    .description("Ask questions about pictures and videos on your own machine.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const add of mainCommands) add(program);
  const explained = [...program.commands];
  for (const add of otherCommands) add(program);
  const named = program.commands.filter((command) => !explained.includes(command));
  program
    .configureHelp({ subcommandTerm: (command) => command.name(), visibleCommands: () => explained })
    .addHelpText("after", `${also(named)}\n\n${examples}`);
  for (const command of program.commands) {
    for (const each of [command, ...command.commands]) {
      each
        .exitOverride()
        .showSuggestionAfterError(false)
        .configureOutput({ outputError: () => {} });
      each.helpOption("-h, --help", "print this help");
    }
  }
  tellRepeats(program);
  return program;
}

/** Puts an error of commander in our words; the help that it prints where no command is given says enough. */
function asUsage(error: CommanderError, program: Command, args: readonly string[]): unknown {
  return error.code === "commander.help" ? error : new UsageError(usageMessage(error, program, args));
}

/** Names the commands that have no line of their own: a help that fits a screen is read. */
const also = (commands: readonly Command[]): string => `Also: ${commands.map((command) => command.name()).join(", ")}.`;

const exits = Object.entries(exitWords)
  .map(([name, [word]]) => `${ExitCode[name as keyof typeof ExitCode]} ${word}`)
  .join(", ");
const examples = `owl3 COMMAND --help tells more. Example: owl3 chat photo.jpg "What is this?"
Exit: ${exits}.`;

/** Ends with one sentence on stderr and the documented exit code; the stack is shown only with OWL3_DEBUG=1. */
function fail(error: unknown): void {
  const { message, exitCode } = explain(error);
  cleanUp();
  if (message !== "") process.stderr.write(`${wrapped(`owl3: ${stopped(safeLine(message))}`, process.stderr)}\n`);
  if (process.env.OWL3_DEBUG === "1" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (exitCode === ExitCode.interrupted) endBy("SIGINT");
  // A write may still fail, as on a full disk, which an exit at once would hide.
  else if (exitCode === ExitCode.ok) process.stdout.write("", () => setImmediate(exitNow, exitCode));
  else exitNow(exitCode);
}

/** Ends a sentence with a full stop, unless it ends already. */
const stopped = (text: string): string => (/[.?!\u2026]$/.test(text) ? text : `${text}.`);

/** Ends when an output can't be written. If the reader of a pipe has gone (`owl3 ... | head -1`), it has all that it wanted. */
function unwritable(error: NodeJS.ErrnoException, name: "stdout" | "stderr"): void {
  if (error.code !== "EPIPE" && name === "stdout")
    fail(new FileError(`stdout can't be written: ${systemReason(error)}.`));
  cleanUp();
  exitNow(error.code === "EPIPE" ? ExitCode.ok : ExitCode.file);
}
