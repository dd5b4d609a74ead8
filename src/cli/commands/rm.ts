import type { Command } from "commander";
import { formatBytes } from "../../format.js";
import { removeModel } from "../../models/list.js";
import { quietOption } from "../options.js";
import { createOutput } from "../output.js";

export function addRmCommand(program: Command): void {
  program
    .command("rm")
    .alias("remove")
    .description("remove installed models")
    .argument("<names...>", "names as `owl3 models` lists them")
    .addOption(quietOption())
    .action(async (names: string[], flags: { quiet?: boolean }) => {
      const out = createOutput(flags);
      for (const name of names) {
        const { name: repo, bytes } = await removeModel(name);
        out.note(`${repo}: ${formatBytes(bytes)} removed`);
      }
    });
}
