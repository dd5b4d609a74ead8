import type { Command } from "commander";
import type { ChatFlags } from "../chat/flags.js";
import { addChatOptions } from "../chat/options.js";
import { collect } from "../options.js";

export function addVideoCommand(program: Command): void {
  const command = program
    .command("video")
    .description("ask about videos, or talk about them")
    .usage('[options] CLIP... ["a question"]')
    .argument("[clips...]", "videos (MP4, MOV, WebM, MKV, AVI, GIF, animated WebP); - reads one from stdin")
    .option("--image <file>", "a picture to show after the videos (may be repeated)", collect);
  addChatOptions(command).action(async (args: string[], flags: ChatFlags & { image?: string[] }) => {
    const { runChat } = await import("../chat/run.js");
    await runChat(args, flags, { video: { pictures: flags.image ?? [] }, defaultQuestion: "Describe this video." });
  });
}
