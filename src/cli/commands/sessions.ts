import type { Command } from "commander";
import { jsonOption, quietOption } from "../options.js";
import { createOutput } from "../output.js";

/** The actions are in src/cli/sessions/. */
export function addSessionsCommand(program: Command): void {
  const sessions = program
    .command("sessions")
    .description("list, show, remove and export kept conversations")
    .addOption(jsonOption())
    .action(async (flags: { json?: boolean }) => {
      const { list } = await import("../sessions/list.js");
      await list(createOutput(), flags.json ?? false);
    });
  sessions
    .command("list")
    .alias("ls")
    .description("list them, as without a command")
    .action(async (_: unknown, command: Command) => {
      const { list } = await import("../sessions/list.js");
      await list(createOutput(), command.optsWithGlobals<{ json?: boolean }>().json ?? false);
    });
  sessions
    .command("show")
    .description("print a conversation")
    .argument("<name>")
    .action(async (name: string, _: unknown, command: Command) => {
      const { show } = await import("../sessions/show.js");
      await show(createOutput(), name, command.optsWithGlobals<{ json?: boolean }>().json ?? false);
    });
  sessions
    .command("export")
    .description(
      "print a conversation as JSON that `owl3 chat --messages` reads, or write it to a folder with its media",
    )
    .argument("<name>")
    .option("-o, --output <folder>", "a new folder, which needs the session no more")
    .action(async (name: string, { output }: { output?: string }) => {
      const { exportSession } = await import("../sessions/export.js");
      await exportSession(createOutput(), name, output);
    });
  sessions
    .command("rm")
    .description("remove conversations and their copies of pictures and videos")
    .argument("<names...>")
    .addOption(quietOption())
    .action(async (names: string[], flags: { quiet?: boolean }) => {
      const { removeSession } = await import("../../sessions/list.js");
      const out = createOutput(flags);
      for (const name of names) {
        await removeSession(name);
        out.note(`${name} removed`);
      }
    });
}
