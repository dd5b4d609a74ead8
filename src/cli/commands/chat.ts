import type { Command } from "commander";
import type { ChatFlags } from "../chat/flags.js";
import { chatHelp } from "../chat/help.js";
import { addChatOptions } from "../chat/options.js";

const usage = '[options] [MEDIA...] ["a question"]';

export function addChatCommand(program: Command): void {
  const command = program
    .command("chat")
    .description("ask about pictures and videos, or talk about them")
    .usage(usage)
    .argument("[media...]", "pictures, videos and folders of them; - is stdin");
  addChatOptions(command);
  command.action(async (args: string[], flags: ChatFlags) => {
    const { runChat } = await import("../chat/run.js");
    await runChat(args, flags);
  });
  command.helpInformation = () =>
    chatHelp(command, {
      usage: `owl3 chat ${usage}`,
      intro: `Ask about pictures, videos and folders of them; - is stdin. What names no file
is the question; without one, on a terminal, a conversation opens.`,
      examples: `  owl3 chat photo.jpg "What does the sign say?"`,
    });
}
