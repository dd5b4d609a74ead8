import type { Command } from "commander";
import type { ChatFlags } from "../chat/flags.js";
import { chatHelp } from "../chat/help.js";
import { addChatOptions } from "../chat/options.js";

const usage = '[options] CLIP... ["a question"]';
const defaultQuestion = "Describe this video.";

export function addVideoCommand(program: Command): void {
  const command = program
    .command("video")
    .description("ask about videos, or talk about them")
    .usage(usage)
    .argument("[clips...]", "videos (MP4, MOV, WebM, MKV, AVI, GIF, animated WebP); - reads one from stdin");
  addChatOptions(command).action(async (args: string[], flags: ChatFlags) => {
    const { runChat } = await import("../chat/run.js");
    await runChat(args, flags, { video: true, defaultQuestion });
  });
  command.helpInformation = () =>
    chatHelp(command, {
      usage: `owl3 video ${usage}`,
      intro: `Ask about videos and folders of them: MP4, MOV, WebM, MKV, AVI, GIF, animated
WebP; - is stdin. Not on a terminal, the question is else "${defaultQuestion}"`,
      examples: `  owl3 video clip.mp4 "What happens?" --start 1:30 --end 2:00`,
    });
}
