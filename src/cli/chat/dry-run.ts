import { describePlaces, usesDevices } from "../../chat/memory.js";
import { Owl } from "../../chat/owl.js";
import { formatBytes } from "../../format.js";
import { memoryJson } from "../json.js";
import type { Output } from "../output.js";
import { askOptions, type ChatFlags, chatOptions, owlOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { sessionChatOptions, withChoices } from "./session.js";
import { ProgressView } from "./view.js";

/** `--dry-run`: prints the input of the model and the planned memory; the model is not loaded. */
export async function dryRun(input: ChatInput, flags: ChatFlags, out: Output): Promise<void> {
  const view = new ProgressView(out);
  const { session } = input;
  const content = session && input.question ? withChoices(input.question, flags) : input.question;
  const question = content === undefined ? [] : [{ role: "user" as const, content }];
  const system = input.messages[0]?.role === "system" ? undefined : flags.system;
  const chat = { ...(session ? sessionChatOptions(flags, session) : chatOptions(flags)), system };
  const options = { ...owlOptions(flags), ...chat, ...askOptions(flags), onProgress: view.on };
  const { prompt, ids, mediaOffset, media, contextLength, memory } = await Owl.preview(
    input.model,
    [...input.messages, ...question],
    options,
  ).finally(() => view.stop());
  if (flags.json) {
    const described = { model: input.model, prompt, input_ids: ids, media_offset: mediaOffset, media };
    out.json({ ...described, context: contextLength, memory: memoryJson(memory) });
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
  out.line(`memory: ${formatBytes(memory.total)} with a context of ${contextLength} positions`);
  if (usesDevices(memory)) out.line(describePlaces(memory));
}
