import { type Command, Option } from "commander";
import { formatBytes } from "../../format.js";
import { describeFile, type FileDescription } from "../../gguf/describe.js";
import type { HyperKind, MemoryPlan, Work } from "../../native/model.js";
import { memoryJson } from "../json.js";
import { integer, jsonOption, previewOptions } from "../options.js";
import { createOutput, type Output } from "../output.js";

interface InfoFlags {
  json?: boolean;
  tensors?: boolean;
  crops: number;
  ctx: number;
  preview?: boolean;
}

export function addInfoCommand(program: Command): void {
  const command = program
    .command("info")
    .alias("show")
    .description("describe a model and its memory, or a picture or video")
    .argument("<file>", "a GGUF file, a model's name, a picture or a video")
    .addOption(new Option("--crops <n>", "number of crops to plan memory for").argParser(integer(0, 1e6)).default(7))
    .addOption(
      new Option("--ctx <n>", "context length to plan memory for").argParser(integer(1, 1 << 24)).default(4096),
    )
    .option("--tensors", "list every tensor")
    .addOption(jsonOption())
    .action(async (model: string, flags: InfoFlags) => {
      const { isMedium } = await import("../../media/sequence.js");
      if (await isMedium(model)) {
        const { describeMedium } = await import("../info/medium.js");
        return describeMedium(model, flags, createOutput());
      }
      const { resolveModel } = await import("../../models/resolve.js");
      const path = await resolveModel(model);
      const { native, nativeCall } = await import("../../native/native.js");
      const file = await nativeCall(() => native().readGguf(path));
      const description = describeFile(file);
      const { workOf } = await import("../../chat/plan.js");
      const work = workOf({ contextLength: flags.ctx, crops: flags.crops, sequences: 1 });
      const memory = description.model ? await nativeCall(() => native().planModel(path, {}, work)) : null;
      const out = createOutput();
      const tensors = file.tensors.map(({ name, type, shape, bytes }) => ({ name, type, shape, bytes }));
      if (flags.json) {
        const { contextLength: context, crops } = work;
        const planned = memory && { crops, context, ...memoryJson(memory) };
        out.json({ ...description, memory: planned, ...(flags.tensors && { tensors }) });
        return;
      }
      printFile(out, description);
      if (memory) printMemory(out, memory, work);
      if (!flags.tensors) return;
      const width = Math.max(...tensors.map(({ name }) => name.length), 0);
      for (const { name, type, shape, bytes } of tensors)
        out.line(`  ${name.padEnd(width)}  ${type.padEnd(5)} ${shape.join(" x ").padEnd(14)} ${formatBytes(bytes)}`);
    });
  for (const option of previewOptions()) command.addOption(option);
}

function printFile(out: Output, file: FileDescription): void {
  const row = rowOf(out);
  out.heading(file.path);
  row("architecture", `${file.architecture ?? "unknown"} (GGUF version ${file.gguf_version})`);
  if (file.name) row("name", file.name);
  if (file.license) row("licence", file.license);
  if (file.source_url) row("source", file.source_url);
  row("type", `${file.file_type ?? "mixed"}, ${file.bits_per_weight.toFixed(2)} bits a weight`);
  row("size", `${formatBytes(file.file_bytes)}, ${millions(file.parameters)} parameters`);
  for (const { type, tensors, bytes, share } of file.types)
    row("", `${type.padEnd(5)} ${(100 * share).toFixed(1).padStart(5)} %  ${formatBytes(bytes)} in ${tensors} tensors`);
  if (!file.model) {
    row("note", "not an mPLUG-Owl3 model: owl3 can't run it");
    return;
  }
  const { parameters, language: l, vision: v, tokenizer: t, hyper_layers: hyper, hyper_kind: kind } = file.model;
  row(
    "language",
    `${millions(parameters.language)} parameters; ${l.num_layers} layers, hidden ${l.hidden_size}, MLP ${l.intermediate_size}, ` +
      `${l.num_heads} heads of ${l.head_dim} (${l.num_kv_heads} for keys and values), context ${l.context_length}` +
      `${l.tie_word_embeddings ? ", output tied to the embedding" : ""}`,
  );
  row("hyper layers", `${hyper.join(", ")} of 0..${l.num_layers - 1}, ${kindText[kind]}`);
  row(
    "vision",
    `${millions(parameters.vision)} parameters; ${v.num_layers} layers, hidden ${v.hidden_size}, MLP ${v.intermediate_size}, ${v.num_heads} heads; ` +
      `crops of ${v.crop_size} x ${v.crop_size} pixels become ${v.crop_tokens} tokens`,
  );
  row(
    "tokenizer",
    `${t.model} (${t.pre}), ${t.tokens} tokens, ${t.merges} merges, ${l.vocab_size} embedding rows; answers end at ${t.ends_at.join(" or ")}`,
  );
  const sampling = Object.entries(file.model.sampling).map(([key, value]) => `${key} ${value}`);
  row("sampling", sampling.length > 0 ? sampling.join(", ") : "no defaults in the file");
}

const kindText: Record<HyperKind, string> = {
  fused: "one softmax over text and pictures",
  gated_head: "two softmaxes, gated per head (before 241101)",
  gated_channel: "two softmaxes, gated per channel (before 241101)",
};

function printMemory(out: Output, memory: MemoryPlan, { crops, contextLength }: Work): void {
  const parts = [
    `weights ${formatBytes(memory.weights)}`,
    `text cache ${formatBytes(memory.kvCache)}`,
    `visual cache ${formatBytes(memory.visualKv)}`,
    `embeddings ${formatBytes(memory.embeds)}`,
    `scratch ${formatBytes(memory.scratch)}`,
  ];
  const total = formatBytes(memory.total);
  rowOf(out)("memory", `${total} for ${crops} crops and ${contextLength} positions: ${parts.join(", ")}`);
}

function rowOf(out: Output): (label: string, text: string) => void {
  return (label, text) => out.line(`  ${label.padEnd(14)} ${text}`);
}

function millions(n: number): string {
  return n >= 1e9 ? `${(n / 1e9).toFixed(2)} billion` : `${(n / 1e6).toFixed(1)} million`;
}
