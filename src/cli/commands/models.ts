import path from "node:path";
import type { Command } from "commander";
import { formatBytes } from "../../format.js";
import { modelFolder } from "../../models/folder.js";
import { type InstalledModel, listModels } from "../../models/list.js";
import { jsonOption } from "../options.js";
import { createOutput } from "../output.js";

export function addModelsCommand(program: Command): void {
  program
    .command("models")
    .aliases(["list", "ls"])
    .description("list the installed models")
    .addOption(jsonOption())
    .action(async (flags: { json?: boolean }) => {
      const out = createOutput();
      const folder = modelFolder();
      const models = await listModels(folder);
      if (flags.json) return out.json({ folder, models: models.map(report) });
      if (models.length === 0)
        return out.note(`No models in ${folder}. \`owl3 pull NAME\` fetches one; its --help lists the names.`);
      for (const model of models) {
        const files = model.gguf.map((file) => `${path.basename(file.path)} (${formatBytes(file.bytes)})`).join(", ");
        const name = model.short ? `${model.name} (${model.short})` : model.name;
        out.line(`${name}: ${files || "not complete: pull it again"}; ${formatBytes(model.bytes)} in all`);
      }
    });
}

function report(model: InstalledModel): object {
  const { name, hub, short = null, folder, bytes, partial } = model;
  return {
    name,
    hub,
    short,
    folder,
    bytes,
    partial,
    gguf: model.gguf.map((file) => ({ path: file.path, bytes: file.bytes })),
  };
}
