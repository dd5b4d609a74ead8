import { CommanderError } from "commander";
import {
  ContextError,
  ExitCode,
  FolderError,
  HubUnreachableError,
  isNativeCode,
  MemoryError,
  NativeError,
  NoFfmpegError,
  NoModelError,
  SeveralFilesError,
  systemReason,
  UserError,
} from "../errors.js";

/** Explains an error in one sentence and gives its exit code. */
export function explain(error: unknown): { message: string; exitCode: number } {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { message: "", exitCode: ExitCode.ok };
    // Without a command, commander prints the help and throws this error, to which nothing is to be added.
    if (error.code === "commander.help") return { message: "", exitCode: ExitCode.usage };
    return { message: error.message.replace(/^error: /, ""), exitCode: ExitCode.usage };
  }
  if (error instanceof UserError) {
    const advised = advice(error);
    // A sentence that has its colon goes on after a semicolon.
    const and = error instanceof HubUnreachableError ? ";" : ":";
    const message = advised === undefined ? error.message : `${error.message.replace(/\.$/, "")}${and} ${advised}`;
    return { message, exitCode: error.exitCode };
  }
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

/** Advises what to do about an error in terms of the command line, which the library does not know. */
function advice(error: UserError): string | undefined {
  if (error instanceof ContextError)
    return error.chosen ? "give a larger --ctx, or ask about less." : "ask about less.";
  if (error instanceof MemoryError && error.missing)
    return error.missing.of === "model"
      ? "choose a smaller model."
      : "give a smaller --ctx, fewer pictures or --no-cut, or choose a smaller model.";
  if (error instanceof FolderError)
    return `\`owl3 convert ${error.path} -o FILE.gguf --type q4_k_m\` makes one of a checkpoint folder.`;
  if (error instanceof NoModelError) return "give one with --model FILE, or fetch one with `owl3 pull 2b`.";
  if (error instanceof SeveralFilesError) return "name one with --file.";
  if (error instanceof HubUnreachableError) {
    const { hub, name, certain } = error.elsewhere;
    return certain
      ? `\`owl3 pull ${name}\` fetches it from ${hub}.`
      : `if ${hub} has it as well, \`owl3 pull ${name}\` fetches it from there.`;
  }
  if (error instanceof NoFfmpegError) return "install ffmpeg, or use --decoder builtin.";
  return undefined;
}

function systemMessage(error: NodeJS.ErrnoException): string {
  return `${error.path === undefined ? "" : `${error.path}: `}${systemReason(error)}`;
}
