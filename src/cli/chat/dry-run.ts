import { Conversation } from "../../chat/conversation.js";
import { formatBytes } from "../../chat/memory.js";
import { promptTools } from "../../chat/owl.js";
import { ModelFileError } from "../../errors.js";
import { describeFile, estimateMemory } from "../../gguf/describe.js";
import { native, nativeCall } from "../../native/native.js";
import { mediaLoader } from "../../vision/load.js";
import type { Output } from "../output.js";
import { type ChatFlags, videoOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { ProgressView } from "./view.js";

/** `--dry-run`: everything up to the model, which is not loaded. */
export async function dryRun(input: ChatInput, flags: ChatFlags, out: Output): Promise<void> {
  const view = new ProgressView(out);
  try {
    const binding = native();
    const file = await nativeCall(binding.readGguf(input.model));
    const description = describeFile(file);
    const model = description.model;
    if (!model) throw new ModelFileError(`${input.model} is not an mPLUG-Owl3 model.`);
    const cropSize = model.vision.crop_size;
    const conversation = new Conversation(promptTools(file.metadata, input.model), mediaLoader(binding, cropSize), {
      cut: flags.cut,
      allowSpecial: flags.allowSpecial ?? false,
      video: videoOptions(flags),
    });
    await conversation.add(
      [
        ...(flags.system === undefined ? [] : [{ role: "system" as const, content: flags.system }]),
        ...input.messages,
        ...(input.question === undefined ? [] : [{ role: "user" as const, content: input.question }]),
      ],
      { onProgress: view.on },
    );
    const { prompt, ids, mediaOffset } = conversation.render();
    const media = conversation.media.map((item) => item.report);
    conversation.truncate(0); // closes the clips
    const context = flags.ctx ?? Math.min(model.language.context, ids.length + flags.maxTokens);
    const memory = estimateMemory(description, mediaOffset.length, context);
    view.stop();
    if (flags.json) {
      out.json({ model: input.model, prompt, input_ids: ids, media_offset: mediaOffset, media, memory });
      return;
    }
    out.heading("prompt");
    out.line(prompt);
    out.heading(`input_ids (${ids.length})`);
    out.line(ids.join(" "));
    out.heading(`media_offset (${mediaOffset.length})`);
    out.line(mediaOffset.join(" "));
    for (const { path, width, height, grid, crops, video } of media) {
      const parts = grid ? `grid ${grid[0]}*${grid[1]}, ` : "";
      const frames = video ? ` (frames ${video.frames.map(({ index }) => index).join(" ")})` : "";
      out.line(`${path}: ${width}x${height}, ${parts}${crops} crops${frames}`);
    }
    if (memory) out.line(`memory: about ${formatBytes(memory.total)}`);
  } finally {
    view.stop();
  }
}
