import type { Command } from "commander";
import { addWriteOptions, type WriteFlags, writing } from "./writing.js";

export function addQuantizeCommand(program: Command): void {
  const command = program
    .command("quantize")
    .description("rewrite a GGUF file in another type")
    .argument("<in>", "the GGUF file to read")
    .argument("<out>", "the GGUF file to write");
  addWriteOptions(command).action(async (input: string, output: string, flags: WriteFlags) => {
    const { quantizeFile } = await import("../../convert/quantize.js");
    await writing(flags, output, ({ note: _, ...options }) => quantizeFile(input, output, options));
  });
}
