import type { Command } from "commander";
import { addWriteOptions, type WriteFlags, writing } from "./writing.js";

interface ConvertFlags extends WriteFlags {
  output: string;
  name?: string;
  license?: string;
  sourceUrl?: string;
}

const examples = `
The weights are model.safetensors, or several files that
model.safetensors.index.json lists. Fine-tunes of ms-swift are converted as they
are; merge a LoRA adapter into its base model first.

Example:
  owl3 convert checkpoint-100-merged -o owl.gguf --type q4_k_m
`;

export function addConvertCommand(program: Command): void {
  const command = program
    .command("convert")
    .description("make a GGUF file from a Hugging Face checkpoint folder")
    .argument("<dir>", "folder with config.json, tokenizer.json and safetensors files")
    .requiredOption("-o, --output <file>", "the GGUF file to write")
    .option("--name <text>", "name of the model in the file (default: that of the folder)")
    .option("--license <text>", "licence of the model, stored in the file")
    .option("--source-url <url>", "origin of the checkpoint, stored in the file")
    .addHelpText("after", examples);
  addWriteOptions(command).action(async (dir: string, flags: ConvertFlags) => {
    const { name, license, sourceUrl } = flags;
    const extra = { ...(name && { name }), ...(license && { license }), ...(sourceUrl && { sourceUrl }) };
    const { convertCheckpoint } = await import("../../convert/convert.js");
    await writing(flags, flags.output, (options) => convertCheckpoint(dir, flags.output, { ...options, ...extra }));
  });
}
