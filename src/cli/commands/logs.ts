import type { Command } from "commander";
import type { ShowFlags } from "../logs/show.js";
import { integer } from "../options.js";
import { createOutput } from "../output.js";

/** The actions are in src/cli/logs/. */
export function addLogsCommand(program: Command): void {
  const logs = program
    .command("logs")
    .description("show logged questions and answers; nothing is logged before `owl3 logs on`")
    .option("-n, --count <n>", "the last n answers", integer(1), 3)
    .option("-q, --query <text>", "only those with this text in the question or answer")
    .option("-r, --response", "only the text of the last answer")
    .option("--json", "print a list of JSON objects")
    .action(async (flags: ShowFlags) => {
      const { showLogs } = await import("../logs/show.js");
      await showLogs(createOutput(), flags);
    });
  for (const [name, on] of [
    ["on", true],
    ["off", false],
  ] as const)
    logs
      .command(name)
      .description(on ? "log questions and answers from now on" : "log nothing from now on; what was logged stays")
      .action(async () => {
        const { switchAndSay } = await import("../logs/show.js");
        await switchAndSay(createOutput(), on);
      });
  logs
    .command("status")
    .description("tell whether answers are logged, and how much was")
    .action(async () => {
      const { status } = await import("../logs/show.js");
      await status(createOutput());
    });
  logs
    .command("path")
    .description("print the folder of the log")
    .action(async () => {
      const { logsFolder } = await import("../../logs/logs.js");
      createOutput().line(logsFolder());
    });
}
